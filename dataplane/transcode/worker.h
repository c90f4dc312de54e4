// What a transcode worker is: code that decodes what strangers sent, in a process of its own that has nothing
// to lose. The supervisor forks it off (no exec: FFmpeg is loaded already), takes everything from it (files,
// sockets, rights; see sandbox.h) and then feeds it the messages of its job. dataplane/job/message.h says
// what is in them.
//
// Threading: a Worker and the Output it was given are used by one thread, the only one of their process.
// FFmpeg's codecs are opened with one thread: a child can't start any.
// Ownership: the Output outlives the Worker. Spans are valid during the call.
// Errors: a Worker sends job::Message::trouble for what a stream's content causes; it never throws, and where
// it can't go on at all, it may abort: its process is made anew.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "dataplane/job/message.h"
#include "dataplane/ring/message_ring.h"

namespace headgate::transcode {

class Output {
 public:
  virtual ~Output() = default;
  // `header`'s kind and size are filled in. Where the ring to the bridge is full, the message is lost and the
  // next one of its stream says so (ring::kMessageLoss).
  virtual void send(job::Message kind, const ring::MessageHeader& header,
                    std::span<const std::uint8_t> payload) = 0;
};

class Worker {
 public:
  virtual ~Worker() = default;
  virtual void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) = 0;
  // The ring is empty. Called after each burst of messages, and about four times a second while none come.
  virtual void on_idle() {}
};

// Each is called in its child, before the sandbox is closed: tables that FFmpeg makes lazily may be made.
std::unique_ptr<Worker> make_sound_worker(Output& output);   // dataplane/transcode/sound/
std::unique_ptr<Worker> make_ladder_worker(Output& output);  // dataplane/transcode/ladder/

// dataplane/transcode/picture/: decodes one picture in this process, which is a forked, sandboxed child that
// exits afterwards. Writes a job::PictureResult and the JPEG to `out`; returns the bytes written.
std::size_t look_at_picture(const job::PictureRequest& request, std::span<const std::uint8_t> access_units,
                            std::span<std::uint8_t> out);

// dataplane/transcode/picture/: once, in the supervisor, before the first fork: what FFmpeg initialises
// lazily and would need files or time for in a child. Decodes nothing that came from outside.
void load_codecs();

}  // namespace headgate::transcode
