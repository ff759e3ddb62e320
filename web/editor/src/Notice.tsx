import type { ReactNode } from "react";

/** A line below the top of the page. Screen readers announce `bad` at once, the others when there is time. */
export function Notice({ kind, said, children }: { kind: "bad" | "warn" | "quiet"; said: string; children?: ReactNode }) {
  return (
    <div className="notice" data-kind={kind}>
      <p role={kind === "bad" ? "alert" : "status"}>{said}</p>
      {children}
    </div>
  );
}
