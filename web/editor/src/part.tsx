import { useEffect, useState, type ComponentType } from "react";

type Part<P> = ComponentType<P> & {
  /** Fetches it before it is shown, so that it is there at once, and there offline. */
  preload(): void;
};

/** A component that is fetched when it is first needed. Where that fails, it says so. */
export function part<P extends object>(fetchIt: () => Promise<ComponentType<P>>): Part<P> {
  let held: ComponentType<P> | null = null;
  const load = () => fetchIt().then((Shown) => (held = Shown));
  const Part = (props: P) => {
    const [, setHere] = useState(held !== null);
    const [failed, setFailed] = useState(false);
    const [tries, setTries] = useState(0);
    useEffect(() => {
      if (held) return;
      let gone = false;
      load().then(() => gone || setHere(true), () => gone || setFailed(true));
      return () => void (gone = true);
    }, [tries]);
    const Shown = held;
    if (Shown) return <Shown {...props} />;
    if (!failed) return null;
    const again = () => {
      setFailed(false);
      setTries(tries + 1);
    };
    return (
      <div className="part-missing" role="alert">
        <p>This part of the page could not be loaded: the connection is lost, or there is a newer version. Your text is not affected.</p>
        <button type="button" className="button" onClick={again}>Try again</button>
        <button type="button" className="button" onClick={() => location.reload()}>Reload the page</button>
      </div>
    );
  };
  return Object.assign(Part, { preload: () => void load().catch(() => {}) });
}

/** Runs once the page has nothing better to do; the result keeps it from that. */
export function whenIdle(run: () => void): () => void {
  if (typeof requestIdleCallback === "function") {
    const id = requestIdleCallback(run, { timeout: 3000 });
    return () => cancelIdleCallback(id);
  }
  const timer = setTimeout(run, 1000);
  return () => clearTimeout(timer);
}
