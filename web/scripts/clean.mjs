// Removes the `dist` of the package whose script this is, so that no module of an earlier build is published.
import { rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
