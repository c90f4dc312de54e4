// A service that hardly says anything, for as many hours as a test likes: five pictures of H.264 a second, a
// random access point every 1.6 s, AAC, PAT and PMT twice a second, a PCR every 100 ms; some 40 kb/s.
// All that a tenth of a second brings is one datagram. The bytes are made by hand, but for the sections.
// Threading: one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"

namespace headgate::fastpath::test {

class SparseSource {
 public:
  static constexpr std::int64_t kTickNs = 100'000'000;
  static constexpr std::uint16_t kVideo = 0x100;
  static constexpr std::uint16_t kAudio = 0x101;

  // `clock_s`: its PCR at the first picture, seconds.
  explicit SparseSource(std::uint64_t clock_s) : clock_(clock_s * 90'000) {}

  // Its clock, and all times with it, jumps at the next datagram.
  void jump(std::int64_t seconds, bool marked) {
    clock_ += static_cast<std::uint64_t>(seconds * 90'000);
    marked_ = marked;
  }

  // The next tenth of a second; valid until the next call.
  std::span<const std::uint8_t> next() {
    out_.clear();
    const std::uint64_t now = clock_ + tick_ * 9000;
    if (tick_ % 2 == 0) {
      video(now);
    } else {
      const std::array<std::uint8_t, 0> nothing{};
      packet(kVideo, false, now, nothing, true);
    }
    marked_ = false;
    if (tick_ % 5 == 0) tables();
    // 8 frames of 1024 samples at 48 kHz in each PES packet.
    while (sound_ * 15'360 <= tick_ * 9000) audio(clock_ + sound_++ * 15'360);
    ++tick_;
    return out_;
  }

 private:
  static constexpr std::uint64_t kStampTurn = std::uint64_t{1} << 33;

  void video(std::uint64_t now) {
    const std::uint64_t picture = tick_ / 2;
    const bool key = picture % 8 == 0;
    pes_.assign({0, 0, 1, 0xE0, 0, 0, 0x80, 0xC0, 10});
    stamp(3, now + 45'000 + 18'000);
    stamp(1, now + 45'000);
    add({0, 0, 0, 1, 0x09, 0xF0});
    if (key) {
      // Those of libx264: 320x180, 4:4:4.
      add({0,    0,    0,    1,    0x67, 0xF4, 0x00, 0x0C, 0x91, 0x9B, 0x28, 0x28, 0x33, 0xF1, 0xB8,
           0x08, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x19, 0x07, 0x8A, 0x14, 0xCB});
      add({0, 0, 0, 1, 0x68, 0xEB, 0xE3, 0xC4, 0x48, 0x44});
    }
    add({0, 0, 0, 1, static_cast<std::uint8_t>(key ? 0x65 : 0x41), 0x88});
    pes_.insert(pes_.end(), key ? 300 : 100, 0x55);
    bool first = true;
    for (std::span<const std::uint8_t> rest(pes_); !rest.empty(); first = false) {
      const std::size_t size = std::min<std::size_t>(rest.size(), first ? 176 : 184);
      packet(kVideo, first, now, rest.first(size), first, key);
      rest = rest.subspan(size);
    }
  }
  void audio(std::uint64_t pts) {
    constexpr std::size_t kFrame = 18;
    pes_.assign({0, 0, 1, 0xC0, 0, 8 + 8 * kFrame, 0x80, 0x80, 5});
    stamp(2, pts + 45'000);
    for (int i = 0; i < 8; ++i) {
      add({0xFF, 0xF1, 0x4C, 0x80, kFrame >> 3, (kFrame << 5 & 0xFF) | 0x1F, 0xFC});
      pes_.insert(pes_.end(), kFrame - 7, 0x21);
    }
    packet(kAudio, true, 0, pes_, false);
  }
  void tables() {
    mpegts::Pat pat;
    pat.transport_stream_id = 1;
    pat.entries = {{1, mpegts::Pid{0x20}}};
    mpegts::Pmt pmt;
    pmt.program_number = 1;
    pmt.pcr_pid = mpegts::Pid{kVideo};
    pmt.streams = {{0x1B, mpegts::Pid{kVideo}, {}}, {0x0F, mpegts::Pid{kAudio}, {}}};
    const auto counter = static_cast<std::uint8_t>(tables_++ & 15);
    for (const auto& packed : {mpegts::pack_section(mpegts::kPatPid, pat.to_section(), counter),
                               mpegts::pack_section(mpegts::Pid{0x20}, pmt.to_section(), counter)})
      out_.insert(out_.end(), packed.begin(), packed.end());
  }

  void add(std::initializer_list<std::uint8_t> bytes) { pes_.insert(pes_.end(), bytes); }
  void stamp(int prefix, std::uint64_t t) {
    t %= kStampTurn;
    add({static_cast<std::uint8_t>(static_cast<std::uint64_t>(prefix) << 4 | (t >> 29 & 0x0E) | 1),
         static_cast<std::uint8_t>(t >> 22), static_cast<std::uint8_t>(t >> 14 | 1),
         static_cast<std::uint8_t>(t >> 7), static_cast<std::uint8_t>(t << 1 | 1)});
  }
  void packet(std::uint16_t pid, bool start, std::uint64_t clock, std::span<const std::uint8_t> payload,
              bool pcr, bool random_access = false) {
    std::uint8_t& counter = counters_[pid & 1];
    const bool carries = !payload.empty();
    const std::size_t room = 184 - payload.size();  // for the adaptation field
    out_.push_back(0x47);
    out_.push_back(static_cast<std::uint8_t>((start ? 0x40 : 0) | pid >> 8));
    out_.push_back(static_cast<std::uint8_t>(pid));
    if (carries) counter = (counter + 1) & 15;
    out_.push_back(static_cast<std::uint8_t>((room > 0 ? 0x20 : 0) | (carries ? 0x10 : 0) | counter));
    if (room > 0) out_.push_back(static_cast<std::uint8_t>(room - 1));
    std::size_t left = room > 0 ? room - 1 : 0;
    if (left > 0) {
      const int flags = (pcr && marked_ ? 0x80 : 0) | (random_access ? 0x40 : 0) | (pcr ? 0x10 : 0);
      out_.push_back(static_cast<std::uint8_t>(flags));
      --left;
    }
    if (pcr) {
      const std::uint64_t base = clock % kStampTurn;
      for (const int shift : {25, 17, 9, 1}) out_.push_back(static_cast<std::uint8_t>(base >> shift));
      out_.push_back(static_cast<std::uint8_t>(base << 7 | 0x7E));
      out_.push_back(0);
      left -= 6;
    }
    out_.insert(out_.end(), left, 0xFF);
    out_.insert(out_.end(), payload.begin(), payload.end());
  }

  std::uint64_t clock_;
  std::uint64_t tick_ = 0;
  std::uint64_t sound_ = 0;
  std::uint64_t tables_ = 0;
  bool marked_ = false;
  std::array<std::uint8_t, 2> counters_{};
  std::vector<std::uint8_t> pes_;
  std::vector<std::uint8_t> out_;
};

}  // namespace headgate::fastpath::test
