// Editors on one document, over the client's simulated network in virtual time.
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { InklogDocument } from "../../client/src/index.js";
import { undoOf } from "../../client/src/undo.js";
import { Device } from "../../client/test/sim/device.js";
import { Network, envOf } from "../../client/test/sim/network.js";
import { Server } from "../../client/test/sim/server.js";
import { World, settle } from "../../client/test/sim/world.js";
import { inklogExtension } from "../src/index.js";

interface Tab {
  dead: boolean;
  offline: boolean;
  page: EventTarget;
}

export class Desk implements Tab {
  dead = false;
  offline = false;
  readonly page = new EventTarget();
  readonly doc: InklogDocument;
  readonly view: EditorView;

  constructor(
    readonly room: Room,
    readonly device: Device,
    user: string,
    extensions: Extension,
  ) {
    this.doc = room.document(user, device, this);
    undoOf(this.doc).mergeMs = 0;
    this.view = new EditorView({
      parent: document.body,
      state: EditorState.create({ extensions: [inklogExtension(this.doc), EditorState.allowMultipleSelections.of(true), extensions] }),
      dispatchTransactions: (trs, view) => {
        view.update(trs);
        // A view hides what a plugin throws; here it must come out.
        if (room.thrown) throw room.thrown;
      },
    });
    this.view.focus();
  }

  get text(): string {
    return this.view.state.doc.toString();
  }

  setOffline(offline: boolean): void {
    this.offline = offline;
    this.page.dispatchEvent(new globalThis.Event(offline ? "offline" : "online"));
  }

  leave(): void {
    this.view.destroy();
    void this.doc.close().then(() => this.device.kill(this));
  }
}

export class Room {
  readonly world: World;
  readonly server: Server;
  readonly network: Network;
  thrown: unknown;

  constructor(seed: number) {
    this.world = new World(seed);
    this.server = new Server(this.world);
    this.network = new Network(this.world, this.server);
  }

  open(user: string, device = new Device(this.world), extensions: Extension = []): Desk {
    const thrown = EditorView.exceptionSink.of((error) => (this.thrown ??= error));
    return new Desk(this, device, user, [thrown, extensions]);
  }

  /** A document without an editor. */
  document(user: string, device = new Device(this.world), tab: Tab = { dead: false, offline: false, page: new EventTarget() }): InklogDocument {
    const { world, network } = this;
    return new InklogDocument(
      { url: "ws://sim/dev", docId: "d", user, storage: device.storage(tab), WebSocket: network.socketOf(tab) },
      envOf(world, tab, tab.page),
    );
  }

  /** Lets everything arrive. */
  async calm(ms = 20_000): Promise<void> {
    await settle();
    await this.world.runUntil(this.world.now + ms);
  }
}
