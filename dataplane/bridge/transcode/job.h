// A job of the transcode process as its user in the bridge sees it: messages in, messages out, and nothing to
// wait for. What lies behind it (jobs.h) may be full, dead or starting anew; messages are then lost and
// counted. References: dataplane/job/message.h. Threading: owned by the bridge's media thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "dataplane/job/spec.h"
#include "dataplane/ring/message_ring.h"

namespace headgate::bridge::transcode {

struct JobCounters {
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;   // the ring to the worker was full, or could not be made
  std::uint64_t received = 0;  // messages of the worker
  std::uint64_t damaged = 0;   // times that the worker's ring held what no worker of ours writes
};

class Job {
 public:
  virtual ~Job() = default;
  // False: dropped. It is on its way when the call returns.
  virtual bool push(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) = 0;
  virtual JobCounters counters() const = 0;
  // Bytes that the worker has not taken yet.
  virtual std::uint64_t unread() const { return 0; }
  // Why there is no ring; empty: there is.
  virtual const std::string& problem() const = 0;
};

// Bytes of a job's rings.
struct RingSizes {
  std::size_t to_worker = 0;
  std::size_t from_worker = 0;
};
inline constexpr RingSizes kSoundRings{256 * 1024, 64 * 1024};
inline constexpr RingSizes kPictureRings{16 * 1024 * 1024, 4 * 1024 * 1024};
inline constexpr RingSizes kLadderRings{4 * 1024 * 1024, 4 * 1024 * 1024};

class JobMaker {
 public:
  using OnMessage = std::function<void(const ring::MessageHeader&, std::span<const std::uint8_t>)>;
  virtual ~JobMaker() = default;
  // A job that stands until the handle goes. Never null. `on_message` is not called from within push(), and
  // may push; it must not end the job.
  virtual std::unique_ptr<Job> make(const std::string& name, const job::Spec& spec, const RingSizes& sizes,
                                    OnMessage on_message) = 0;
};

}  // namespace headgate::bridge::transcode
