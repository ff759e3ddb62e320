// One way to ask each peer for the same things. `edit` makes an edit; `update` does too, and returns what others need
// to know of it, as small as the peer can make it for one edit.

const inklog = async () => {
  const { TextDoc, wireOp } = await import("../client/dist/crdt/index.js");
  return {
    create: (agent) => ({ doc: new TextDoc(), agent: `agent-${agent}` }),
    edit({ doc, agent }, at, del, ins) {
      if (del) doc.delete(agent, at, del);
      if (ins) doc.insert(agent, at, ins);
    },
    update({ doc, agent }, at, del, ins) {
      const after = doc.version.get(agent) ?? 0;
      const ops = del ? doc.delete(agent, at, del) : [];
      if (ins) ops.push(doc.insert(agent, at, ins));
      // As it comes out of a socket.
      return JSON.parse(JSON.stringify({ agent, after, ops: ops.map((op) => wireOp(agent, op)) }));
    },
    apply: ({ doc }, update) => doc.apply(update),
    text: ({ doc }) => doc.toString(),
    save: ({ doc }) => doc.encode(),
    load: (bytes) => TextDoc.decode(bytes).toString(),
    // The same with what a client does with each frame.
    frames: { of: (update) => JSON.stringify(update), apply: ({ doc }, frame) => doc.apply(JSON.parse(frame)) },
  };
};

const yjs = async () => {
  const Y = await import("yjs");
  const edit = ({ doc, text }, at, del, ins) => {
    if (!del) text.insert(at, ins);
    else if (!ins) text.delete(at, del);
    else {
      doc.transact(() => {
        text.delete(at, del);
        text.insert(at, ins);
      });
    }
  };
  return {
    create(agent) {
      const doc = new Y.Doc();
      doc.clientID = agent + 1;
      return { doc, text: doc.getText("text") };
    },
    edit,
    update(replica, at, del, ins) {
      let update;
      replica.doc.once("update", (bytes) => (update = bytes));
      edit(replica, at, del, ins);
      return update;
    },
    apply: ({ doc }, update) => Y.applyUpdate(doc, update),
    text: ({ text }) => text.toString(),
    save: ({ doc }) => Y.encodeStateAsUpdate(doc),
    load(bytes) {
      const doc = new Y.Doc();
      Y.applyUpdate(doc, bytes);
      return doc.getText("text").toString();
    },
  };
};

const loro = async () => {
  const { LoroDoc } = await import("loro-crdt");
  // Nothing is committed when no update is wanted: that is the quickest it can be.
  const edit = ({ text }, at, del, ins) => {
    if (del) text.delete(at, del);
    if (ins) text.insert(at, ins);
  };
  return {
    create(agent) {
      const doc = new LoroDoc();
      doc.setPeerId(BigInt(agent + 1));
      return { doc, text: doc.getText("text") };
    },
    edit,
    update(replica, at, del, ins) {
      const from = replica.doc.version();
      edit(replica, at, del, ins);
      replica.doc.commit();
      return replica.doc.export({ mode: "update", from });
    },
    apply: ({ doc }, update) => doc.import(update),
    text: ({ text }) => text.toString(),
    save: ({ doc }) => doc.export({ mode: "snapshot" }),
    load: (bytes) => LoroDoc.fromSnapshot(bytes).getText("text").toString(),
  };
};

export const peers = { inklog, yjs, loro };
