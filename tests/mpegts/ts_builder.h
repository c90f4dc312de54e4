// Transport packets for tests, made by hand so that no test depends on the code it tests.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts::test {

using Packet = std::array<std::uint8_t, kPacketSize>;

inline TsPacket view(const Packet& packet) { return TsPacket{packet}; }

// A packet with payload only.
inline Packet packet(std::uint16_t pid, std::uint8_t cc, bool start = false, std::uint8_t fill = 0xAB) {
  Packet p;
  p.fill(fill);
  p[0] = 0x47;
  p[1] = static_cast<std::uint8_t>((start ? 0x40 : 0) | pid >> 8);
  p[2] = static_cast<std::uint8_t>(pid & 0xFF);
  p[3] = static_cast<std::uint8_t>(0x10 | (cc & 0x0F));
  return p;
}

// A packet with an adaptation field that carries a PCR, and payload.
inline Packet pcr_packet(std::uint16_t pid, std::uint8_t cc, std::uint64_t pcr, bool discontinuity = false) {
  Packet p = packet(pid, cc);
  p[3] = static_cast<std::uint8_t>(0x30 | (cc & 0x0F));
  p[4] = 7;
  p[5] = static_cast<std::uint8_t>(0x10 | (discontinuity ? 0x80 : 0));
  const std::uint64_t base = pcr / 300;
  const std::uint64_t extension = pcr % 300;
  p[6] = static_cast<std::uint8_t>(base >> 25);
  p[7] = static_cast<std::uint8_t>(base >> 17);
  p[8] = static_cast<std::uint8_t>(base >> 9);
  p[9] = static_cast<std::uint8_t>(base >> 1);
  p[10] = static_cast<std::uint8_t>((base & 1) << 7 | 0x7E | extension >> 8);
  p[11] = static_cast<std::uint8_t>(extension);
  return p;
}

inline std::vector<Packet> split(const std::vector<std::uint8_t>& bytes) {
  std::vector<Packet> packets;
  for (std::size_t at = 0; at + kPacketSize <= bytes.size(); at += kPacketSize) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), kPacketSize, packets.emplace_back().begin());
  }
  return packets;
}

// A capture of the directory HEADGATE_STREAMS; nothing where that is not set: the caller then skips.
inline std::optional<std::vector<std::uint8_t>> capture(const std::string& name) {
  const char* directory = std::getenv("HEADGATE_STREAMS");
  if (directory == nullptr || *directory == '\0') return std::nullopt;
  std::ifstream file(std::string{directory} + "/" + name, std::ios::binary);
  if (!file) return std::nullopt;
  return std::vector<std::uint8_t>{std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace headgate::mpegts::test
