// An entry for tests of what delivers: keeps the place by the rules of ingest::Entry, and what was brought.
#pragma once

#include <srt/srt.h>

#include <string>
#include <utility>
#include <vector>

#include "dataplane/bridge/ingest/entry.h"

namespace headgate::bridge {

class PlaceEntry : public ingest::Entry {
 public:
  PlaceEntry(std::string channel, protocol::BridgeInput input)
      : channel_(std::move(channel)), input_(std::move(input)) {}

  const std::string& channel() const override { return channel_; }
  const protocol::BridgeInput& input() const override { return input_; }
  bool attach(std::string_view peer, std::function<void()> displaced) override {
    if (attached && srt_time_now() - heard_us < 1'000'000) return false;
    if (attached && displaced_) displaced_();
    attached = true;
    displaced_ = std::move(displaced);
    heard_us = srt_time_now();
    status_.peer = peer;
    status_.error.clear();
    status_.state = ingest::SourceState::receiving;
    ++status_.connections;
    return true;
  }
  void detach(std::string_view error) override {
    attached = false;
    displaced_ = {};
    status_.peer.clear();
    status_.error = error;
    status_.state = input_.kind == protocol::SourceKind::srt_caller ? ingest::SourceState::connecting
                                                                    : ingest::SourceState::waiting;
    errors.emplace_back(error);
  }
  void failed(std::string_view error) override { detach(error); }
  ingest::SourceStatus& status() override { return status_; }
  const ingest::SourceStatus& status() const override { return status_; }
  void on_ts(std::span<const std::uint8_t> bytes) override {
    heard_us = srt_time_now();
    status_.bytes += bytes.size();
    if (on_bytes) on_bytes(bytes);
  }
  void on_gap() override { ++gaps; }
  hub::FrameSink& frames() override { std::abort(); }

  bool attached = false;
  std::int64_t heard_us = 0;
  std::size_t gaps = 0;
  std::vector<std::string> errors;
  std::function<void(std::span<const std::uint8_t>)> on_bytes;

 private:
  std::string channel_;
  protocol::BridgeInput input_;
  ingest::SourceStatus status_;
  std::function<void()> displaced_;
};

}  // namespace headgate::bridge
