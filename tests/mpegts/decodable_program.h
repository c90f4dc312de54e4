// A program that a decoder can take: MPEG-2 video of constant rate, main profile at main level, whose frames
// fill the VBV nearly and empty it nearly; layer II sound; PSI. Each packet has the time at which it leaves
// its buffer. Threading: owned by one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "mpegts/packet/types.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "ts_builder.h"

namespace headgate::mpegts::test {

class DecodableProgram {
 public:
  // PIDs base (PMT), base + 1 (video, PCR), base + 2 (sound). video_bps: of its elementary stream. margin_ms:
  // from the last byte of the frame that is soonest needed to its DTS.
  DecodableProgram(std::uint16_t number, std::uint16_t base, std::uint64_t video_bps, double ppm,
                   double margin_ms)
      : number_(number),
        base_(base),
        rate_(static_cast<double>(video_bps) / 8 / kHz),
        ppm_(ppm),
        margin_(margin_ms * kHz / 1000) {
    // Twelve frames take the bytes of 480 ms.
    const double all = rate_ * 12 * kFrameTicks;
    double sent = 0;
    for (std::size_t i = 0; i < kShares.size(); ++i) {
      sizes_[i] = static_cast<std::size_t>(all * kShares[i] / 100);
      sent += static_cast<double>(sizes_[i]);
      delay_ = std::max(delay_, sent / rate_ - static_cast<double>(i) * kFrameTicks);
    }
    begin_frame();
    next();
  }

  Pmt pmt() const {
    Pmt pmt;
    pmt.program_number = number_;
    pmt.pcr_pid = Pid{video()};
    pmt.streams = {{0x02, Pid{video()}, {}}, {0x03, Pid{sound()}, {}}};
    return pmt;
  }
  Pid pmt_pid() const { return Pid{base_}; }
  std::uint16_t video() const { return static_cast<std::uint16_t>(base_ + 1); }
  std::uint16_t sound() const { return static_cast<std::uint16_t>(base_ + 2); }
  // By a clock that is so many ppm fast.
  std::int64_t ns() const { return static_cast<std::int64_t>(tick_ * (1000.0 / 27.0) / (1 + ppm_ * 1e-6)); }
  const Packet& bytes() const { return packet_; }

  void next() {
    if (table_at_ <= video_at_ && table_at_ <= sound_at_) return table();
    if (sound_at_ <= video_at_) return sound_packet();
    video_packet();
  }

 private:
  static constexpr double kHz = 27e6;
  static constexpr double kFrameTicks = 1'080'000;  // 40 ms
  static constexpr double kSoundTicks = 648'000;    // 24 ms
  static constexpr double kFirst = 100 * kHz;       // of the PCRs
  static constexpr std::array<double, 12> kShares{30, 4, 4, 10, 4, 4, 12, 4, 4, 14, 5, 5};

  static void stamp(std::vector<std::uint8_t>& to, std::uint8_t mark, double tick) {
    const auto t = static_cast<std::uint64_t>((tick + kFirst) / 300) % kPtsModulus;
    to.push_back(static_cast<std::uint8_t>(mark | (t >> 29 & 0x0E) | 1));
    to.push_back(static_cast<std::uint8_t>(t >> 22));
    to.push_back(static_cast<std::uint8_t>(t >> 14 | 1));
    to.push_back(static_cast<std::uint8_t>(t >> 7));
    to.push_back(static_cast<std::uint8_t>(t << 1 | 1));
  }

  void begin_frame() {
    pes_ = {0, 0, 1, 0xE0, 0, 0, 0x84, 0x80, 5};
    stamp(pes_, 0x20, static_cast<double>(frame_) * kFrameTicks + delay_ + margin_);
    const std::size_t header = pes_.size();
    if (frame_ % 12 == 0) {  // 720x576, 25 a second; vbv_buffer_size 112 * 16 Kbit; main profile, main level
      const std::vector<std::uint8_t> sequence{0,    0, 1, 0xB3, 0x2D, 0x02, 0x40, 0x33, 0x24, 0x9F, 0x23,
                                               0x80, 0, 0, 1,    0xB5, 0x14, 0x8A, 0x00, 0x01, 0x00, 0x00};
      pes_.insert(pes_.end(), sequence.begin(), sequence.end());
    }
    pes_.insert(pes_.end(), {0, 0, 1, 0, 0, 0x0F, 0xFF, 0xF8, 0, 0, 1, 1});
    pes_.resize(std::max(pes_.size(), header + sizes_[static_cast<std::size_t>(frame_ % 12)]), 0x77);
    at_ = 0;
    ++frame_;
  }

  void video_packet() {
    tick_ = video_at_;
    const bool start = at_ == 0;
    const bool pcr = tick_ >= pcr_at_;
    if (pcr) pcr_at_ = tick_ + 25 * kHz / 1000;
    packet_ = pcr ? pcr_packet(video(), video_counter_,
                               static_cast<std::uint64_t>(std::llround(tick_ + kFirst)) % kPcrModulus)
                  : packet(video(), video_counter_);
    if (start) packet_[1] |= 0x40;
    ++video_counter_;
    const std::size_t sent = fill(pes_, at_, pcr ? 12 : 4);
    // The elementary stream alone is of constant rate.
    video_at_ += static_cast<double>(start ? sent - 14 : sent) / rate_;
    at_ += sent;
    if (at_ == pes_.size()) begin_frame();
  }

  // What of it fits behind `offset`, stuffed by the adaptation field.
  std::size_t fill(const std::vector<std::uint8_t>& from, std::size_t at, std::size_t offset) {
    std::size_t size = std::min(from.size() - at, kPacketSize - offset);
    const std::size_t begin = kPacketSize - size;
    if (begin > offset) {
      const bool had = (packet_[3] & 0x20) != 0;
      packet_[3] |= 0x20;
      packet_[4] = static_cast<std::uint8_t>(begin - 5);
      if (!had && begin > 5) packet_[5] = 0;
      for (std::size_t i = had ? offset : 6; i < begin; ++i) packet_[i] = 0xFF;
    }
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(at), size,
                packet_.begin() + static_cast<std::ptrdiff_t>(begin));
    return size;
  }

  void sound_packet() {
    tick_ = sound_at_;
    if (sound_part_ == 0) {
      sound_pes_ = {0, 0, 1, 0xC0, 0x02, 0x48, 0x84, 0x80, 5};
      stamp(sound_pes_, 0x20, static_cast<double>(sound_frame_) * kSoundTicks + 80 * kHz / 1000);
      sound_pes_.insert(sound_pes_.end(), {0xFF, 0xFD, 0xA4, 0x00});  // 192 kb/s, 48 kHz
      sound_pes_.resize(590, 0x55);
      ++sound_frame_;
    }
    packet_ = packet(sound(), sound_counter_++, sound_part_ == 0);
    fill(sound_pes_, sound_part_ * 184, 4);
    sound_part_ = (sound_part_ + 1) % 4;
    sound_at_ += kSoundTicks / 4;
  }

  void table() {
    tick_ = table_at_;
    Pat pat;
    pat.entries = {{number_, Pid{base_}}};
    const auto packets = pmt_next_ ? pack_section(Pid{base_}, pmt().to_section(), pmt_counter_++ & 15)
                                   : pack_section(kPatPid, pat.to_section(), pat_counter_++ & 15);
    pmt_next_ = !pmt_next_;
    std::copy_n(packets.begin(), kPacketSize, packet_.begin());
    table_at_ += 45 * kHz / 1000;
  }

  std::uint16_t number_, base_;
  double rate_;  // bytes a tick
  double ppm_;
  double margin_;
  double delay_ = 0;
  std::array<std::size_t, 12> sizes_{};
  double tick_ = 0;
  double video_at_ = 0, sound_at_ = 0, table_at_ = 0, pcr_at_ = 0;
  std::uint64_t frame_ = 0, sound_frame_ = 0;
  std::vector<std::uint8_t> pes_, sound_pes_;
  std::size_t at_ = 0, sound_part_ = 0;
  bool pmt_next_ = false;
  std::uint8_t video_counter_ = 0, sound_counter_ = 0, pmt_counter_ = 0, pat_counter_ = 0;
  Packet packet_{};
};

}  // namespace headgate::mpegts::test
