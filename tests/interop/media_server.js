// node-media-server as a program: media_server.js PORT. Relays RTMP, records nothing.
import NodeMediaServer from "node-media-server";

new NodeMediaServer({
  bind: "127.0.0.1",
  rtmp: { port: Number(process.argv[2]) },
  auth: { play: false, publish: false },
}).run();
