// One way to ask each peer for the same things. `edit` makes the patches and, when they are wanted, returns an update
// for others, as small a one as the peer can make for one edit.

const inklog = async () => {
  const { TextDoc } = await import("../client/dist/crdt/index.js");
  return {
    create: (agent) => ({ doc: new TextDoc(), agent: `agent-${agent}`, after: 0 }),
    edit(replica, patches, wanted) {
      const { doc, agent, after } = replica;
      const ops = wanted ? [] : undefined;
      for (const [at, del, ins] of patches) {
        if (del) {
          const made = doc.delete(agent, at, del);
          if (wanted) ops.push(...made);
        }
        if (ins) {
          const made = doc.insert(agent, at, ins);
          if (wanted) ops.push(made);
        }
      }
      if (!wanted) return undefined;
      replica.after = doc.version.get(agent);
      // As it comes out of a socket.
      return JSON.parse(JSON.stringify({ agent, after, ops }));
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
  return {
    create(agent) {
      const doc = new Y.Doc();
      doc.clientID = agent + 1;
      return { doc, text: doc.getText("text") };
    },
    edit({ doc, text }, patches, wanted) {
      let update;
      const keep = (bytes) => (update = bytes);
      if (wanted) doc.on("update", keep);
      doc.transact(() => {
        for (const [at, del, ins] of patches) {
          if (del) text.delete(at, del);
          if (ins) text.insert(at, ins);
        }
      });
      if (wanted) doc.off("update", keep);
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
  return {
    create(agent) {
      const doc = new LoroDoc();
      doc.setPeerId(BigInt(agent + 1));
      return { doc, text: doc.getText("text") };
    },
    edit({ doc, text }, patches, wanted) {
      const from = wanted ? doc.version() : undefined;
      for (const [at, del, ins] of patches) {
        if (del) text.delete(at, del);
        if (ins) text.insert(at, ins);
      }
      // Nothing is committed when no update is wanted: that is the quickest it can be.
      if (!wanted) return undefined;
      doc.commit();
      return doc.export({ mode: "update", from });
    },
    apply: ({ doc }, update) => doc.import(update),
    text: ({ text }) => text.toString(),
    save: ({ doc }) => doc.export({ mode: "snapshot" }),
    load: (bytes) => LoroDoc.fromSnapshot(bytes).getText("text").toString(),
  };
};

export const peers = { inklog, yjs, loro };
