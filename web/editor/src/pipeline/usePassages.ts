import { useEffect, useState } from "react";
import { ROWS_MAX } from "./passages";
import { STAGES, type Passage } from "./stack";

const KEPT_MAX = ROWS_MAX * STAGES.length * 2;

/** What passes the pipeline, live, drawn once a frame at most; `isLive` is false while the stack does not answer. */
export function usePassages(docId: string): { passages: readonly Passage[]; isLive: boolean } {
  const [passages, setPassages] = useState<readonly Passage[]>([]);
  const [isLive, setLive] = useState(true);
  useEffect(() => {
    const source = new EventSource(`/_inklog/pipeline?doc=${encodeURIComponent(docId)}`);
    let fresh: Passage[] = [];
    let frame = 0;
    source.onopen = () => setLive(true);
    source.onerror = () => setLive(false);
    source.onmessage = ({ data }: MessageEvent<string>) => {
      fresh.push(JSON.parse(data) as Passage);
      frame ||= requestAnimationFrame(() => {
        const come = fresh;
        fresh = [];
        frame = 0;
        setPassages((were) => [...were, ...come].slice(-KEPT_MAX));
      });
    };
    return () => {
      cancelAnimationFrame(frame);
      source.close();
      setPassages([]);
    };
  }, [docId]);
  return { passages, isLive };
}
