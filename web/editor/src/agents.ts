// Agents by the names that people know them by.
import type { InklogDocument } from "@inklog/client";
import { shortName } from "@inklog/client/presence";
import { usePresence } from "@inklog/react";

/** Names an agent: "you", the name of somebody who is here, or the agent itself. */
export function useAgentNames(doc: InklogDocument): (agent: string) => string {
  const others = usePresence(doc);
  return (agent) => {
    // Other tabs of this browser write under other agents of the same user.
    if (agent === doc.agent || agent.replace(/~.*/, "") === doc.user) return "you";
    const other = others.get(agent);
    return shortName(other?.name ?? other?.state["name"]) || agent;
  };
}
