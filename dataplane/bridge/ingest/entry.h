// Where what comes in over the Internet goes on to the fast path: the ring, and one Entry for each input of a
// channel. Protocols hand whole streams to TsEntry or frames to FrameEntry, and tell what they are doing;
// status, metrics and log lines are made of that here. Threading: owned by the bridge's media thread, as is
// all that calls it; a protocol with threads of its own posts. Ownership: Entries owns all; a protocol holds
// a pointer between attach and detach.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/frame.h"
#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::ingest {

enum class SourceState : std::uint8_t {
  waiting,     // for a publisher or a caller
  connecting,  // to a server, and between two tries
  receiving,
};

struct SourceStatus {
  SourceState state = SourceState::waiting;
  std::string peer;           // "203.0.113.7:40112", "" while there is none
  std::string error;          // why the last try ended; "" when all is well
  std::int64_t since_ns = 0;  // in this state, Unix time
  std::uint64_t connections = 0;
  std::uint64_t bitrate_bps = 0;
  std::uint64_t bytes = 0;                     // of what on_ts() and frames() took; counted here
  std::uint64_t packets = 0;                   // transport packets handed on
  std::map<std::string, std::uint64_t> drops;  // by reason, as in control/protocol/bridge_drops.h
  std::map<std::string, std::string> details;  // of the protocol, anew after each attach: "rtt_ms", …
  std::vector<hub::LeftOutTrack> left_out;     // tracks that are not carried, and why
  // Of these, what the protocol itself leaves out: it writes them, anew after each attach.
  std::vector<hub::LeftOutTrack> left_out_by_source;
};

// One input. At most one source is attached at a time.
class Entry {
 public:
  virtual ~Entry() = default;
  virtual const std::string& channel() const = 0;
  virtual const protocol::BridgeInput& input() const = 0;

  // False: another source has the place and was heard within the last second. One that was silent for longer
  // loses the place: its `displaced` is called, once, from within this call; it has no place to detach from
  // any more and calls nothing of this entry again. Not called at detach(), nor where the entry goes.
  virtual bool attach(std::string_view peer, std::function<void()> displaced = {}) = 0;
  // The source is gone; `error` "" where it ended as it should. The place is kept for grace_ms.
  virtual void detach(std::string_view error) = 0;
  // Instead of attach: a try that failed.
  virtual void failed(std::string_view error) = 0;
  virtual SourceStatus& status() = 0;
  virtual const SourceStatus& status() const = 0;

  // Bytes of a transport stream, cut anywhere; found by their sync bytes.
  virtual void on_ts(std::span<const std::uint8_t> bytes) = 0;
  // Something is missing before the next bytes.
  virtual void on_gap() = 0;
  // Or frames, as hub/frame.h has them (times of any origin); a transport stream is made of them here.
  // Parameter sets and configurations as in FrameTrack::configuration. What a transport stream can't carry is
  // named in left_out.
  virtual hub::FrameSink& frames() = 0;
};

// What the bridge's main calls and a protocol looks up.
class Entries {
 public:
  // Unix time in nanoseconds; the system's where none is given.
  using Clock = std::function<std::int64_t()>;
  // `ring_path`: made at the first input.
  explicit Entries(std::string ring_path, Clock clock = {});
  ~Entries();

  // Inputs that did not change keep their sources. Sources of others are told by `on_gone` of their protocol.
  using OnChange = std::function<void(Entry&)>;
  // `made`: for each input that is new or changed. `gone`: before it goes.
  tl::expected<void, std::string> apply(const std::vector<protocol::BridgeChannel>& channels,
                                        const OnChange& made, const OnChange& gone);
  // Null: no such channel, or no input of that kind.
  Entry* find(std::string_view channel, protocol::SourceKind kind);
  std::vector<const Entry*> all() const;
  // Every 10 ms at least, Unix time: hands on what is due, and makes the ring anew where it was taken away.
  void on_tick(std::int64_t now_ns);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::ingest
