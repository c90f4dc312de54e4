#include "dataplane/transcode/worker_loop.h"

#include <poll.h>

namespace headgate::transcode {
namespace {

constexpr int kIdleMs = 250;
constexpr std::size_t kBurst = 64;

}  // namespace

void WorkerLoop::send(job::Message kind, const ring::MessageHeader& header,
                      std::span<const std::uint8_t> payload) {
  ring::MessageHeader complete = header;
  complete.kind = static_cast<std::uint16_t>(kind);
  out_.push(complete, payload);
}

void WorkerLoop::run() {
  for (;;) {
    std::size_t taken = 0;
    // One at a time: the reader's position is the worker's sign of life.
    while (taken < kBurst &&
           in_.poll(1, [this](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
             worker_->on_message(header, payload);
           }) == 1) {
      out_.flush();
      ++taken;
    }
    if (taken == kBurst) continue;
    worker_->on_idle();
    out_.flush();
    if (!in_.prepare_sleep()) continue;
    pollfd entry{in_.wake_fd(), POLLIN, 0};
    ::poll(&entry, 1, kIdleMs);
    in_.awake();
  }
}

}  // namespace headgate::transcode
