// The Entry of one input: who has its place, what comes of it, and its status. Bytes of a transport stream go
// on as whole packets, found by their sync bytes; frames go on as the stream that FrameInput makes of them.
// Reference: ISO/IEC 13818-1:2022 2.4.3.2. Threading: owned by the bridge's media thread. Ownership: the ring
// outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dataplane/bridge/hub/rate_meter.h"
#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/ingest/frame_input.h"
#include "dataplane/bridge/ingest/ring_output.h"
#include "mpegts/packet/packet_reader.h"

namespace headgate::bridge::ingest {

class Place final : public Entry, private hub::FrameSink {
 public:
  using Clock = std::function<std::int64_t()>;
  Place(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input, RingOutput& ring,
        const Clock& clock);

  const std::string& channel() const override { return channel_; }
  std::uint32_t handle() const { return handle_; }
  const protocol::BridgeInput& input() const override { return input_; }
  // The same input, although other things of the channel changed, or its number.
  bool can_become(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input) const;
  void become(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input);

  bool attach(std::string_view peer, std::function<void()> displaced) override;
  void detach(std::string_view error) override;
  void failed(std::string_view error) override;
  SourceStatus& status() override;
  const SourceStatus& status() const override;
  void on_ts(std::span<const std::uint8_t> bytes) override;
  void on_gap() override;
  hub::FrameSink& frames() override { return *this; }
  void on_tick(std::int64_t now_ns);

  // What an input may bring: more than any service has, and less than what crowds the other channels out of
  // the ring and the network.
  static constexpr std::int64_t kMostBitsASecond = 200'000'000;
  static constexpr std::int64_t kMostBytesAtOnce = 16 * 1024 * 1024;

 private:
  void on_format(std::shared_ptr<const hub::FrameFormat> format) override;
  void on_frame(std::shared_ptr<const hub::Frame> frame) override;
  void on_discontinuity() override;

  FrameInput& frame_input();
  void hand_on(std::span<const std::uint8_t> packets);
  bool has_room(std::size_t bytes);
  void set_state(SourceState state);
  void note(std::string_view error);
  void say(bool warning, std::string_view reason, const std::string& what);
  void leave();
  void refresh() const;

  std::string channel_;
  std::uint32_t handle_;
  protocol::BridgeInput input_;
  FrameInput::Service service_;
  RingOutput& ring_;
  Clock clock_;

  bool attached_ = false;
  std::function<void()> displaced_;
  hub::RateMeter rate_;
  std::int64_t heard_ns_ = 0;    // the last that came, or the attach
  std::int64_t arrival_ns_ = 0;  // of the last slot: arrivals don't fall
  mpegts::PacketReader reader_;
  mpegts::PacketReader::Counters reader_before_;  // of readers that are gone
  std::vector<std::uint8_t> batch_;
  std::unique_ptr<FrameInput> frames_;
  std::int64_t room_ = kMostBytesAtOnce;
  std::int64_t room_ns_ = 0;  // as of then
  std::uint64_t too_fast_ = 0;
  std::uint64_t ring_full_ = 0;
  std::uint64_t unattached_ = 0;
  mutable SourceStatus status_;
};

}  // namespace headgate::bridge::ingest
