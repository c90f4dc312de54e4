// A multiplex at run time: what pipes give its members leaves here in datagrams of seven packets. Knows no
// port: what leaves goes to the worker. Times are even, as a pipe's. Threading: owned by the worker thread;
// made and freed by the main thread. Ownership: members belong to control/MultiplexStore and outlive the plan
// that names them. Nothing here allocates but where a table changed.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/fastpath/worker/pipe.h"
#include "mpegts/mux/multiplexer.h"

namespace headgate::fastpath {

class Multiplex {
 public:
  static constexpr std::size_t kMostAtOnce = 64;  // datagrams in a turn

  Multiplex(std::string named, const mpegts::MultiplexIdentity& identity, std::uint64_t bitrate_bps,
            std::size_t stats)
      : id(std::move(named)), stats_index(stats), multiplexer_(identity, bitrate_bps) {}

  void adopt(const MultiplexPlan& plan) { multiplexer_.adopt(plan.places); }
  // The next datagram that is due, or nothing. `steps_ns`: what Unix time has more than even time.
  const mpegts::Multiplexer::Datagram* pop(std::int64_t now_ns, std::int64_t steps_ns) noexcept {
    if (departed_ == kMostAtOnce || !multiplexer_.pop(now_ns, now_ns + steps_ns, datagram_)) return nullptr;
    departed_ns_[departed_++] = datagram_.departure_ns;
    return &datagram_;
  }
  std::int64_t next_due_ns() const noexcept { return multiplexer_.next_departure_ns(); }
  // The datagrams of this turn are with their ports.
  void note_departures(std::int64_t now_ns) noexcept;

  struct Figures {
    std::uint64_t packets = 0;
    std::uint64_t null_packets = 0;
    std::uint64_t dropped = 0;  // of all members
    std::uint64_t members_in = 0;
  };
  Figures figures() const noexcept;
  const Pipe::Lateness& lateness() const noexcept { return lateness_; }
  std::uint64_t take_late_max() noexcept { return std::exchange(late_max_ns_, 0); }
  std::optional<std::uint64_t> take_pcr_accuracy_max() noexcept;
  // What was dropped since the last call.
  std::uint64_t take_dropped() noexcept;

  const std::string id;
  const std::size_t stats_index;  // in StatsPage::channels
  RateWindow window;              // the publisher's
  std::uint64_t members_bps = 0;
  Leaving leaving;  // what its outputs send: the worker's, and the publisher's

 private:
  mpegts::Multiplexer multiplexer_;
  mpegts::Multiplexer::Datagram datagram_;
  std::array<std::int64_t, kMostAtOnce> departed_ns_;
  std::size_t departed_ = 0;
  Pipe::Lateness lateness_;
  std::uint64_t late_max_ns_ = 0;
  std::uint64_t dropped_mark_ = 0;
};

}  // namespace headgate::fastpath
