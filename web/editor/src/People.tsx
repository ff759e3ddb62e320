import type { InklogDocument, Presence } from "@inklog/client";
import { shortName } from "@inklog/client/presence";
import { COLORS } from "@inklog/codemirror";
import { usePresence } from "@inklog/react";
import { useEffect, useId, useRef, useState, type FormEvent } from "react";
import { setMe, type Me } from "./settings";

/** On a phone there is room for two. */
const SHOWN_MAX = matchMedia("(max-width: 640px)").matches ? 2 : 4;
const NAME_MAX = 40;
/** What to call COLORS, in their order. */
const COLOR_NAMES = ["Blue", "Rust", "Moss", "Violet", "Berry", "Teal", "Ochre", "Iris"];

const initials = (name: string) =>
  name.split(/[\s._-]+/).filter(Boolean).slice(0, 2).map((word) => shortName(word, 1).toUpperCase()).join("") || "?";

interface Other extends Me {
  agent: string;
  hasCursor: boolean;
}

function seen({ agent, user, name: vouched, state }: Presence): Other {
  const { color, cursor } = state;
  return {
    agent,
    // What the server vouches for counts; only where it does not, what they say themselves.
    name: shortName(vouched ?? state["name"], NAME_MAX) || user,
    color: typeof color === "string" ? color : "#6b7280",
    hasCursor: cursor != null,
  };
}

type GoTo = (agent: string) => void;

/**
 * Who is here: the others, all of them in a list where they are many, then oneself, whose name can be changed unless it
 * comes from signing in.
 */
export function People({ doc, me, isSignedIn, goTo }: { doc: InklogDocument | null; me: Me; isSignedIn: boolean; goTo: GoTo }) {
  const others = [...usePresence(doc).values()].map(seen);
  const more = others.length - SHOWN_MAX;
  return (
    <div className="people">
      <ul aria-label="Here now">
        {others.slice(0, SHOWN_MAX).map(({ agent, name, color, hasCursor }) => {
          const says = hasCursor ? `${name}: go to their cursor` : name;
          return (
            <li key={agent}>
              <button type="button" className="face" style={{ "--face": color }} title={says} aria-label={says} onClick={() => goTo(agent)}>
                <Initials of={name} />
              </button>
            </li>
          );
        })}
        {more > 0 && <li><Everybody others={others} more={more} goTo={goTo} /></li>}
        <li><Myself me={me} isSignedIn={isSignedIn} /></li>
      </ul>
    </div>
  );
}

/** Drawn, not said: the button says the whole name. */
const Initials = ({ of }: { of: string }) => <span className="initials" data-text={initials(of)} aria-hidden="true" />;

function Everybody({ others, more, goTo }: { others: readonly Other[]; more: number; goTo: GoTo }) {
  const id = useId();
  const popover = useRef<HTMLDivElement>(null);
  return (
    <>
      <button type="button" className="face face-more" popoverTarget={id} title="Everybody who is here">
        +{more}<span className="unseen"> more people</span>
      </button>
      <div id={id} ref={popover} popover="auto" className="popover everybody" role="group" aria-label="Everybody who is here">
        <p>{others.length} others are here</p>
        <ul>
          {others.map(({ agent, name, color, hasCursor }) => (
            <li key={agent}>
              <button
                type="button"
                className="button-quiet"
                title={hasCursor ? "Go to their cursor" : "Has no cursor in the text yet"}
                onClick={() => {
                  popover.current?.hidePopover();
                  goTo(agent);
                }}
              >
                <i className="dot" style={{ "--face": color }} /><span dir="auto">{name}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
}

/** A name as it is typed, without what is too much of it. */
function fitting(name: string): string {
  const short = shortName(name, NAME_MAX);
  return short === name.trim() ? name : short;
}

function Myself({ me, isSignedIn }: { me: Me; isSignedIn: boolean }) {
  const id = useId();
  const popover = useRef<HTMLFormElement>(null);
  const [name, setName] = useState(me.name);
  useEffect(() => setName(me.name), [me.name]);
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (!isSignedIn) setMe({ name: shortName(name, NAME_MAX) || me.name });
    popover.current?.hidePopover();
  };
  const says = isSignedIn ? `You are signed in as ${me.name}` : `You are ${me.name}`;
  return (
    <>
      <button type="button" className="face face-me" style={{ "--face": me.color }} popoverTarget={`${id}-me`} aria-label={`${says}. ${isSignedIn ? "Change your colour" : "Change your name"}`} title={says}>
        <Initials of={me.name} />
      </button>
      <form id={`${id}-me`} ref={popover} popover="auto" className="popover myself" onSubmit={save} aria-label="You">
        {isSignedIn ? (
          <p>You are signed in as <strong dir="auto">{me.name}</strong>.</p>
        ) : (
          <>
            <label htmlFor={`${id}-name`}>Your name, as others see it</label>
            <input id={`${id}-name`} dir="auto" value={name} autoComplete="nickname" onChange={(event) => setName(fitting(event.target.value))} />
          </>
        )}
        <fieldset>
          <legend>Your colour</legend>
          {COLORS.map((color, i) => (
            <label key={color} className="swatch" style={{ "--face": color }} title={COLOR_NAMES[i]}>
              <input type="radio" name="color" value={color} checked={me.color === color} onChange={() => setMe({ color })} />
              <span className="unseen">{COLOR_NAMES[i]}</span>
            </label>
          ))}
        </fieldset>
        <button type="submit" className="button button-main">Done</button>
      </form>
    </>
  );
}
