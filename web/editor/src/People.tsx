import type { InklogDocument, Presence } from "@inklog/client";
import { COLORS } from "@inklog/codemirror";
import { usePresence } from "@inklog/react";
import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { setMe, type Me } from "./settings";

const SHOWN_MAX = 4;
/** What to call COLORS, in their order. */
const COLOR_NAMES = ["Blue", "Rust", "Moss", "Violet", "Berry", "Teal", "Ochre", "Iris"];

const initials = (name: string) =>
  name.split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((word) => [...word][0]!.toUpperCase()).join("") || "?";

function seen({ agent, user, state }: Presence): Me & { agent: string; hasCursor: boolean } {
  const { name, color, cursor } = state;
  return {
    agent,
    name: (typeof name === "string" && name.trim().slice(0, 40)) || user,
    color: typeof color === "string" ? color : "#6b7280",
    hasCursor: cursor != null,
  };
}

/** Who is here: oneself first, whose name can be changed, then the others. */
export function People({ doc, me, goTo }: { doc: InklogDocument | null; me: Me; goTo: (agent: string) => void }) {
  const others = [...usePresence(doc).values()].map(seen);
  const more = others.length - SHOWN_MAX;
  return (
    <div className="people">
      <ul aria-label="Here now">
        {others.slice(0, SHOWN_MAX).map(({ agent, name, color, hasCursor }) => (
          <li key={agent}>
            <button type="button" className="face" style={{ "--face": color }} title={hasCursor ? `${name}: go to where they are` : name} aria-label={hasCursor ? `${name}: go to where they are` : name} onClick={() => goTo(agent)}>
              {initials(name)}
            </button>
          </li>
        ))}
        {more > 0 && <li className="face face-more" title={others.slice(SHOWN_MAX).map(({ name }) => name).join(", ")}>+{more}</li>}
        <li><Myself me={me} /></li>
      </ul>
    </div>
  );
}

function Myself({ me }: { me: Me }) {
  const id = useId();
  const popover = useRef<HTMLFormElement>(null);
  const [name, setName] = useState(me.name);
  useEffect(() => setName(me.name), [me.name]);
  const save = (event: FormEvent) => {
    event.preventDefault();
    setMe({ ...me, name: name.trim().slice(0, 40) || me.name });
    popover.current?.hidePopover();
  };
  return (
    <>
      <button type="button" className="face face-me" style={{ "--face": me.color }} popoverTarget={`${id}-me`} aria-label={`You are ${me.name}. Change your name`} title={`You are ${me.name}`}>
        {initials(me.name)}
      </button>
      <form id={`${id}-me`} ref={popover} popover="auto" className="myself" onSubmit={save} aria-label="You">
        <label htmlFor={`${id}-name`}>Your name, as the others see it</label>
        <input id={`${id}-name`} value={name} maxLength={40} autoComplete="nickname" onChange={(event) => setName(event.target.value)} />
        <fieldset>
          <legend>Your colour</legend>
          {COLORS.map((color, i) => (
            <label key={color} className="swatch" style={{ "--face": color }} title={COLOR_NAMES[i]}>
              <input type="radio" name="color" value={color} checked={me.color === color} onChange={() => setMe({ ...me, color })} />
              <span className="unseen">{COLOR_NAMES[i]}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" className="button button-main">Done</button>
      </form>
    </>
  );
}
