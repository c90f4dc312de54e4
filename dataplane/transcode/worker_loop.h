// The life of a sound or ladder worker, in its child: messages from the one ring to the Worker, what it says
// to the other. Threading: the child's one thread.
#pragma once

#include <memory>

#include "dataplane/ring/message_ring.h"
#include "dataplane/transcode/task.h"

namespace headgate::transcode {

class WorkerLoop : Output {
 public:
  WorkerLoop(ring::MessageConsumer& in, ring::MessageProducer& out) : in_(in), out_(out) {}
  void begin(Workers::Make make) { worker_ = make(*this); }
  [[noreturn]] void run();

 private:
  void send(job::Message kind, const ring::MessageHeader& header,
            std::span<const std::uint8_t> payload) override;

  ring::MessageConsumer& in_;
  ring::MessageProducer& out_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace headgate::transcode
