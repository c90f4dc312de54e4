// Drains the ring on a timer while slots come, sleeps on its FIFO when they don't, and opens it again when
// the fast path made it anew. References: dataplane/ring/ring.h. Threading: owned by the thread that runs the
// io_context.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "dataplane/ring/ring.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::app {

class RingPump {
 public:
  using OnSlot = std::function<void(const ring::Slot&)>;
  using OnGap = std::function<void()>;
  RingPump(boost::asio::io_context& context, std::string path, OnSlot on_slot, OnGap on_gap);
  ~RingPump();
  void start();
  void stop();
  bool attached() const;
  std::uint64_t restarts() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::app
