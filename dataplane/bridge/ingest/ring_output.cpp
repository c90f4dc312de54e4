#include "dataplane/bridge/ingest/ring_output.h"

#include <algorithm>
#include <bit>

#include "control/log/log.h"

namespace headgate::bridge::ingest {
namespace {

constexpr std::size_t kLeastBytes = std::size_t{16} * 1024 * 1024;
constexpr std::size_t kBytesPerInput = std::size_t{256} * 1024;  // half a second of 4 Mb/s

}  // namespace

tl::expected<void, std::string> RingOutput::open() {
  auto made = ring::Producer::open(path_, slots_);
  if (!made) return tl::unexpected<std::string>(made.error());
  producer_ = std::move(*made);
  producer_->set_channel_count(channels_);
  return {};
}

tl::expected<void, std::string> RingOutput::resize(std::size_t inputs, std::size_t channels) {
  if (inputs == 0 && producer_ == nullptr) return {};
  const std::size_t bytes = std::max(kLeastBytes, inputs * kBytesPerInput);
  const std::size_t wanted = std::bit_ceil(bytes / sizeof(ring::Slot));
  channels_ = channels;
  if (producer_ != nullptr && wanted <= slots_) {
    producer_->set_channel_count(channels_);
    return {};
  }
  slots_ = wanted;
  producer_.reset();  // its lock goes with it
  return open();
}

void RingOutput::keep() {
  if (slots_ == 0 || (producer_ != nullptr && !producer_->stale())) return;
  producer_.reset();
  if (auto made = open(); !made) {
    if (!lost_) log::error("inputs stand still: {}", made.error());
    lost_ = true;
    return;
  }
  log::warning("{} was gone: made anew", path_);
  lost_ = false;
}

void RingOutput::forget_channel(std::uint32_t channel) {
  if (producer_ != nullptr) producer_->forget_channel(channel);
}

bool RingOutput::push(std::uint32_t channel, std::uint32_t input, std::int64_t arrival_ns,
                      std::span<const std::uint8_t> packets) {
  if (producer_ == nullptr) return false;
  ring::Slot header{};
  header.channel = channel;
  header.input = input;
  header.arrival_ns = arrival_ns;
  unpublished_ = true;
  return producer_->push(header, packets);
}

void RingOutput::flush() {
  if (producer_ == nullptr || !unpublished_) return;
  producer_->flush();
  unpublished_ = false;
}

}  // namespace headgate::bridge::ingest
