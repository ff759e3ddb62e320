// One peer with one trace: does a round of a task whenever it is told to, and says how many milliseconds it took.
import { peers } from "./peers.mjs";
import { read } from "./traces.mjs";

const [name, traceName] = process.argv.slice(2);
const peer = await peers[name]();
const { agents, agent, at, del, ins, needs, end } = read(traceName);

/** Types the whole trace; with more than one agent each needs the others' edits. */
function type(updates) {
  const replicas = Array.from({ length: agents }, (_, i) => peer.create(i));
  for (let i = 0; i < at.length; i++) {
    const replica = replicas[agent[i]];
    if (needs[i] !== null) for (const need of needs[i]) peer.apply(replica, updates[need]);
    if (updates === undefined) peer.edit(replica, at[i], del[i], ins[i]);
    else updates.push(peer.update(replica, at[i], del[i], ins[i]));
  }
  return replicas[0];
}

const updates = [];
type(updates);
const all = peer.create(99);
for (const update of updates) peer.apply(all, update);
check(peer.text(all));
const state = peer.save(all);

function check(text) {
  if (text !== end) throw new Error(`${name} ends ${traceName} with another text`);
}

const tasks = {
  local() {
    const replica = type(agents === 1 ? undefined : []);
    // Not everybody hears of everything in the end.
    return agents === 1 ? peer.text(replica) : end;
  },
  apply() {
    const replica = peer.create(99);
    for (const update of updates) peer.apply(replica, update);
    return peer.text(replica);
  },
  load: () => peer.load(state),
};
if (peer.frames) {
  const frames = updates.map(peer.frames.of);
  tasks.frames = () => {
    const replica = peer.create(99);
    for (const frame of frames) peer.frames.apply(replica, frame);
    return peer.text(replica);
  };
}

process.on("message", (task) => {
  const start = performance.now();
  const text = tasks[task]();
  const ms = performance.now() - start;
  check(text);
  process.send(ms);
});
process.send({ tasks: Object.keys(tasks), bytes: state.length, edits: at.length });
