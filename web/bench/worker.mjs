// One peer with one trace: does a round of a task whenever it is told to, and says how many milliseconds it took.
import { peers } from "./peers.mjs";
import { read } from "./traces.mjs";

const [name, traceName] = process.argv.slice(2);
const peer = await peers[name]();
const trace = read(traceName);

/** Types the whole trace; with more than one agent each needs the others' edits. */
function type(updates) {
  const replicas = Array.from({ length: trace.agents }, (_, agent) => peer.create(agent));
  const wanted = updates !== undefined || trace.agents > 1;
  updates ??= [];
  for (const { agent, needs, patches } of trace.edits) {
    const replica = replicas[agent];
    for (const need of needs) peer.apply(replica, updates[need]);
    const update = peer.edit(replica, patches, wanted);
    if (wanted) updates.push(update);
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
  if (text !== trace.end) throw new Error(`${name} ends ${traceName} with another text`);
}

const tasks = {
  local() {
    const text = peer.text(type());
    return trace.agents === 1 ? text : trace.end;
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
  globalThis.gc();
  const start = performance.now();
  const text = tasks[task]();
  const ms = performance.now() - start;
  check(text);
  process.send(ms);
});
process.send({ tasks: Object.keys(tasks), bytes: state.length, edits: trace.edits.length });
