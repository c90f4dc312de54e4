// An input that keeps what it is told, with the rules of ingest/entry.h for its place: one source at a time,
// which a silent one loses to the next. Threading: owned by one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/bridge/ingest/entry.h"

namespace headgate::bridge::test {

class FrameLog : public hub::FrameSink {
 public:
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override {
    formats.push_back(format);
    if (next != nullptr) next->on_format(std::move(format));
  }
  void on_frame(std::shared_ptr<const hub::Frame> frame) override {
    on_media();
    if (next != nullptr) return next->on_frame(std::move(frame));
    frames.push_back(std::move(frame));
  }
  void on_discontinuity() override {
    ++discontinuities;
    if (next != nullptr) next->on_discontinuity();
  }
  std::vector<std::shared_ptr<const hub::FrameFormat>> formats;
  std::vector<std::shared_ptr<const hub::Frame>> frames;
  int discontinuities = 0;
  hub::FrameSink* next = nullptr;  // takes the frames instead
  std::function<void()> on_media = [] {};
};

class FakeEntry : public ingest::Entry {
 public:
  FakeEntry(std::string channel, protocol::BridgeInput input)
      : channel_(std::move(channel)), input_(std::move(input)) {
    log.on_media = [this] { heard(); };
  }
  FakeEntry(std::string channel, std::string key, protocol::SourceKind kind = protocol::SourceKind::publish)
      : FakeEntry(std::move(channel), protocol::BridgeInput{}) {
    input_.key = std::move(key);
    input_.kind = kind;
  }
  const std::string& channel() const override { return channel_; }
  const protocol::BridgeInput& input() const override { return input_; }
  protocol::BridgeInput& input() { return input_; }

  bool attach(std::string_view peer, std::function<void()> displaced = {}) override {
    const bool free = silent || (by_clock && Clock::now() - heard_at_ >= std::chrono::seconds(3));
    if (attached && !free) return false;
    if (attached && displaced_) std::exchange(displaced_, {})();
    attached = true;
    heard();
    displaced_ = std::move(displaced);
    ++status_.connections;
    status_.peer = peer;
    status_.error.clear();
    status_.details.clear();
    status_.left_out_by_source.clear();
    status_.state = ingest::SourceState::receiving;
    on_change("attach", std::string(peer));
    return true;
  }
  void detach(std::string_view error) override {
    attached = false;
    displaced_ = {};
    ended.emplace_back(error);
    leave(error);
    on_change("detach", std::string(error));
  }
  void failed(std::string_view error) override {
    failures.emplace_back(error);
    leave(error);
    on_change("failed", std::string(error));
  }
  ingest::SourceStatus& status() override {
    status_.left_out = status_.left_out_by_source;
    return status_;
  }
  const ingest::SourceStatus& status() const override { return status_; }
  void on_ts(std::span<const std::uint8_t> bytes) override {
    heard();
    status_.bytes += bytes.size();
    on_bytes(bytes);
  }
  void on_gap() override {
    gaps.push_back(status_.bytes);
    on_change("gap", std::to_string(status_.bytes));
  }
  hub::FrameSink& frames() override { return log; }

  FrameLog log;
  bool attached = false;
  bool silent = false;    // for the last second; media end it
  bool by_clock = false;  // three real seconds without media count, too
  std::vector<std::string> ended;
  std::vector<std::string> failures;
  std::vector<std::uint64_t> gaps;  // before which byte
  std::function<void(std::span<const std::uint8_t>)> on_bytes = [](auto&&) {};
  std::function<void(const std::string& what, const std::string& about)> on_change = [](auto&&, auto&&) {};

 private:
  using Clock = std::chrono::steady_clock;
  void heard() {
    silent = false;
    heard_at_ = Clock::now();
  }
  void leave(std::string_view error) {
    const bool comes_to_us =
        input_.kind == protocol::SourceKind::publish || input_.kind == protocol::SourceKind::srt_listener;
    status_.state = comes_to_us ? ingest::SourceState::waiting : ingest::SourceState::connecting;
    status_.peer.clear();
    status_.error = error;
  }

  std::string channel_;
  protocol::BridgeInput input_;
  ingest::SourceStatus status_;
  std::function<void()> displaced_;
  Clock::time_point heard_at_ = Clock::now();
};

}  // namespace headgate::bridge::test
