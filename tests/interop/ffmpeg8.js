// FFmpeg 8.1 as a program, for Debian's knows no Enhanced RTMP: ffmpeg8.js [--listen] [--real-time] FROM TO FORMAT
// Copies every stream of FROM to TO until it ends, or until a SIGTERM.
//   --listen     FROM is an address where it waits for a publisher
//   --real-time  no faster than the stream's own clock
import { AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_VIDEO, AVFMT_NOFILE, Dictionary, FFmpegError, FormatContext, Packet } from "node-av";

const flags = process.argv.slice(2).filter((word) => word.startsWith("--"));
const [from, to, format] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
let stopping = false;
process.on("SIGTERM", () => { stopping = true; });

function good(result, what) {
  FFmpegError.throwIfError(result, what);
  return result;
}

const input = new FormatContext();
good(await input.openInput(from, null, flags.includes("--listen") ? Dictionary.fromObject({ listen: "1" }) : null), `open ${from}`);
good(await input.findStreamInfo(), "find streams");

const output = new FormatContext();
good(output.allocOutputContext2(null, format, to), `format ${format}`);
const places = new Map();
for (const stream of input.streams) {
  if (![AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_VIDEO].includes(stream.codecpar.codecType)) continue;
  const copy = output.newStream(null);
  good(stream.codecpar.copy(copy.codecpar), "copy parameters");
  copy.codecpar.codecTag = 0;
  copy.timeBase = stream.timeBase;
  places.set(stream.index, copy.index);
}
good(await output.openOutput(), `open ${to}`);
good(await output.writeHeader(), "write header");

const packet = new Packet();
packet.alloc();
let began = null;
let count = 0;
while (!stopping && (await input.readFrame(packet)) >= 0) {
  const place = places.get(packet.streamIndex);
  if (place !== undefined) {
    const source = input.streams[packet.streamIndex];
    if (flags.includes("--real-time")) {
      const ms = (Number(packet.dts) * source.timeBase.num * 1000) / source.timeBase.den;
      began ??= { wall: Date.now(), media: ms };
      const early = ms - began.media - (Date.now() - began.wall);
      if (early > 0) await new Promise((done) => setTimeout(done, early));
    }
    packet.rescaleTs(source.timeBase, output.streams[place].timeBase);
    packet.streamIndex = place;
    good(await output.interleavedWriteFrame(packet), "write");
    count += 1;
  }
  packet.unref();
}
good(await output.writeTrailer(), "write trailer");
await output.closeOutput();
console.error(`${count} packets`);
process.exit(0);
