// Runs arRPC, and writes a line for each activity that it shows; see test_arrpc.py.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = join(process.argv[2], "node_modules", "arrpc", "src", "server.js");
const { default: Server } = await import(pathToFileURL(folder));
const server = await new Server();
server.on("activity", ({ activity }) => console.log(JSON.stringify({ activity })));
console.log(JSON.stringify({ ready: true }));
