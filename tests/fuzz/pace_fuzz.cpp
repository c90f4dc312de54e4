// links: headgate::mpegts
// A playout and a constant rate behind it. The input is a list of steps of four bytes: what to do, a number
// for packets or time, and two bytes for a packet's PID and adaptation field. Packets that go in come out or
// are counted, never more wait than may, and what leaves is made of whole packets, seven a datagram.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <vector>

#include "mpegts/clock/playout.h"
#include "mpegts/mux/rate_schedule.h"
#include "mpegts/packet/ts_packet.h"

namespace {

using namespace headgate::mpegts;

constexpr std::size_t kRoom = 200;
constexpr std::size_t kStageRoom = 100;
constexpr std::size_t kStageReserve = 64;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

void require(bool holds) {
  if (!holds) std::abort();
}

class Chain {
 public:
  Chain(std::int64_t buffer_ns, std::uint64_t rate) : playout_(buffer_ns, kRoom), stage_(rate, kStageRoom) {}

  void step(std::uint8_t what, std::uint8_t how_much, std::uint8_t third, std::uint8_t fourth) {
    switch (what % 8) {
      case 0:
        now_ += std::int64_t{how_much} * 100'000;
        break;  // to 25 ms
      case 1:
        now_ += std::int64_t{how_much} * 40'000'000;
        break;  // to 10 s
      case 2:
        now_ += (std::int64_t{how_much} - 128) * 3'600'000'000'000;
        break;  // the clock is set
      case 3:
        push(how_much % 16 + 1U, third, fourth, false);
        break;
      case 4:
        push(1, third, fourth, true);
        break;
      case 5:
        pcr_ += std::uint64_t{how_much} * 27'000'000;
        break;
      case 6:
        pcr_ += std::uint64_t{how_much} * 27'000;
        break;
      default:
        if (how_much % 16 == 0) {
          lost_ += playout_.counters().waiting;
          playout_.clear();
        }
    }
    now_ = std::clamp<std::int64_t>(now_, 1'000'000'000, 4'000'000'000'000'000'000);
    drain();
    check();
  }

 private:
  void push(std::size_t packets, std::uint8_t pid, std::uint8_t flags, bool pcr) {
    std::vector<std::uint8_t> bytes(packets * kPacketSize, flags);
    for (std::size_t at = 0; at < bytes.size(); at += kPacketSize) {
      bytes[at] = kSyncByte;
      bytes[at + 1] = static_cast<std::uint8_t>((flags & 0xC0) | (pid >= 0xF0 ? 0x1F : 0x01));
      bytes[at + 2] = pid >= 0xF0 ? std::uint8_t{0xFF} : static_cast<std::uint8_t>(pid & 7);
      bytes[at + 3] = static_cast<std::uint8_t>(pcr ? 0x30 : flags & 0x3F);
      if (!pcr) continue;
      const std::uint64_t value = pcr_ % kPcrModulus;
      bytes[at + 4] = 7 + flags % 4;
      bytes[at + 5] = static_cast<std::uint8_t>(0x10 | (flags & 0x80));
      bytes[at + 6] = static_cast<std::uint8_t>(value / 300 >> 25);
      bytes[at + 7] = static_cast<std::uint8_t>(value / 300 >> 17);
      bytes[at + 8] = static_cast<std::uint8_t>(value / 300 >> 9);
      bytes[at + 9] = static_cast<std::uint8_t>(value / 300 >> 1);
      bytes[at + 10] = static_cast<std::uint8_t>((value / 300 & 1) << 7 | 0x7E | value % 300 >> 8);
      bytes[at + 11] = static_cast<std::uint8_t>(value % 300);
    }
    playout_.push(bytes, now_);
    pushed_ += packets;
  }

  void drain() {
    while (playout_.next_due_ns() <= now_) {
      const auto batch = playout_.pop(now_);
      // Only where the clock was set is it not due after all.
      if (batch.packets.empty()) break;
      require(batch.packets.size() % kPacketSize == 0 && batch.packets.size() <= 7 * kPacketSize);
      for (std::size_t at = 0; at < batch.packets.size(); at += kPacketSize) {
        const auto packet = batch.packets.subspan(at).first<kPacketSize>();
        if (TsPacket(packet).pid() != kNullPid) ++staged_;
        stage_.push(packet, batch.due_ns);
        ++left_;
      }
    }
    int datagrams = 0;
    while (stage_.next_departure_ns() <= now_ && stage_.pop(now_, datagram_)) {
      for (std::size_t i = 0; i < RateSchedule::kDatagramPackets; ++i)
        require(datagram_.bytes[i * kPacketSize] == kSyncByte);
      // No step lasts more than ten seconds, and a silent input is followed for one.
      require(++datagrams < 3000);
    }
  }

  void check() {
    const auto& counters = playout_.counters();
    require(counters.waiting <= kRoom);
    require(counters.waiting + left_ + lost_ + counters.dropped == pushed_);
    require((playout_.next_due_ns() == kNever) == (counters.waiting == 0));
    const auto stage = stage_.counters();
    require(stage.waiting <= kStageRoom + kStageReserve);
    require(stage.waiting + stage.packets + stage.all_dropped() == staged_);
  }

  Playout playout_;
  RateSchedule stage_;
  RateSchedule::Datagram datagram_{};
  std::int64_t now_ = 1'700'000'000'000'000'000;
  std::uint64_t pcr_ = 0;
  std::uint64_t pushed_ = 0, left_ = 0, lost_ = 0, staged_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6) return 0;
  constexpr std::array<std::uint64_t, 4> kRates{100'000, 1'000'003, 2'000'000, 0};
  Chain chain(std::int64_t{data[0]} * 8'000'000, kRates[data[1] % kRates.size()]);
  const std::size_t steps = std::min<std::size_t>((size - 2) / 4, 4000);
  for (std::size_t i = 0; i < steps; ++i) {
    const std::uint8_t* at = data + 2 + i * 4;
    chain.step(at[0], at[1], at[2], at[3]);
  }
  return 0;
}
