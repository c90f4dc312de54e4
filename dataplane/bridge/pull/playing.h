// What the three pulls have in common: a tick of 10 ms, the pauses between tries, and how an Entry is told of
// beginnings and ends. Threading: owned by the thread that runs `context`.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "dataplane/bridge/ingest/entry.h"

namespace headgate::bridge::pull {

// What may wait to be played: above the first the server waits, below the second it goes on.
inline constexpr std::size_t kMostBytes = 64 * 1024 * 1024;
inline constexpr std::size_t kEnoughBytes = 48 * 1024 * 1024;

// Calls with the time gone by since the last call, at most kLongest: what was slept through is not made up
// for in a burst.
class Ticker {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kPeriod{10};
  static constexpr std::chrono::milliseconds kLongest{500};
  using OnTick = std::function<void(Clock::time_point now, std::chrono::nanoseconds elapsed)>;

  Ticker(boost::asio::io_context& context, OnTick on_tick);
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void wait();

  boost::asio::steady_timer timer_;
  OnTick on_tick_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Clock::time_point last_ = Clock::now();
};

// An Entry as a pull sees it.
class Playing {
 public:
  explicit Playing(ingest::Entry& entry) : entry_(entry) {}
  ~Playing();
  Playing(const Playing&) = delete;
  Playing& operator=(const Playing&) = delete;

  // Packets that are due; the first ones attach.
  void give(std::span<const std::uint8_t> packets, bool gap, const std::string& peer);
  // The end of what was attached, or a try that failed.
  void lost(const std::string& error);
  bool attached() const { return attached_; }
  // When the last packets were given.
  Ticker::Clock::time_point last() const { return last_; }
  // Adds to a counter of control/protocol/bridge_drops.h.
  void drop(const char* reason, std::uint64_t count);
  ingest::Entry& entry() { return entry_; }

 private:
  ingest::Entry& entry_;
  bool attached_ = false;
  bool refused_ = false;
  Ticker::Clock::time_point last_{};
};

}  // namespace headgate::bridge::pull
