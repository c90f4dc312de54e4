// An input that keeps what it is given, with the place's rules of ingest/entry.h. The time is that of a clock
// that tests set. Threading: owned by one thread.
#pragma once

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
    if (on_media) on_media();
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
  std::function<void()> on_media;
};

class FakeEntry : public ingest::Entry {
 public:
  FakeEntry(std::string channel, std::string key, protocol::SourceKind kind = protocol::SourceKind::publish)
      : channel_(std::move(channel)) {
    input_.key = std::move(key);
    input_.kind = kind;
    log.on_media = [this] { silent = false; };
  }
  const std::string& channel() const override { return channel_; }
  const protocol::BridgeInput& input() const override { return input_; }
  protocol::BridgeInput& input() { return input_; }
  bool attach(std::string_view peer, std::function<void()> displaced = {}) override {
    if (attached && !silent) return false;
    if (attached) std::exchange(displaced_, {})();
    attached = true;
    silent = false;
    displaced_ = std::move(displaced);
    ++status_.connections;
    status_.peer = peer;
    status_.error.clear();
    status_.state = ingest::SourceState::receiving;
    return true;
  }
  void detach(std::string_view error) override {
    attached = false;
    displaced_ = {};
    ended.emplace_back(error);
    status_.error = error;
    status_.state = ingest::SourceState::waiting;
  }
  void failed(std::string_view error) override {
    failures.emplace_back(error);
    status_.error = error;
    status_.state = ingest::SourceState::connecting;
  }
  ingest::SourceStatus& status() override { return status_; }
  const ingest::SourceStatus& status() const override { return status_; }
  void on_ts(std::span<const std::uint8_t>) override {}
  void on_gap() override {}
  hub::FrameSink& frames() override { return log; }

  FrameLog log;
  bool attached = false;
  bool silent = false;  // for the last second; frames end it
  std::vector<std::string> ended;
  std::vector<std::string> failures;

 private:
  std::string channel_;
  protocol::BridgeInput input_;
  ingest::SourceStatus status_;
  std::function<void()> displaced_;
};

}  // namespace headgate::bridge::test
