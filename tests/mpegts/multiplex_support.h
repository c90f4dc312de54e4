// Sources of one program, and a multiplex of them on a simulated clock.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mpegts/mux/multiplexer.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/nit.h"
#include "mpegts/si/tdt.h"
#include "ts_builder.h"

namespace headgate::mpegts::test {

inline constexpr std::int64_t kMuxStart = 1'700'000'000'000'000'000;
inline constexpr std::int64_t kMuxSecond = 1'000'000'000;

inline PmtStream sound(std::uint16_t pid, const std::string& code) {
  PmtStream stream{0x03, Pid{pid}, {}};
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(code[i]); };
  if (!code.empty()) stream.descriptors.bytes = {0x0A, 4, at(0), at(1), at(2), 0};
  return stream;
}

// A program as an encoder sends it: PID 0x100 video with PCR, 0x101 audio. Video packets all `gap_ns`.
struct MuxSource {
  MuxSource() {
    pmt.program_number = 1;
    pmt.pcr_pid = Pid{0x100};
    pmt.streams = {{0x1B, Pid{0x100}, {}}, sound(0x101, "eng")};
  }
  Pmt pmt;
  Pid pmt_pid{0x20};
  std::string name = "Source";
  std::int64_t gap_ns = 1'000'000;
  double ppm = 0;
  std::int64_t first_pcr = 0;
  bool eit = false;
  std::int64_t eit_every_ns = kMuxSecond;

  std::map<std::uint16_t, std::uint8_t> counters;
  std::int64_t next_ns = 0;  // since the start
  std::int64_t tables_ns = -kMuxSecond;
  std::int64_t pcr_ns = -kMuxSecond;
  std::int64_t eit_ns = -kMuxSecond;
  std::uint64_t video = 0;

  std::vector<std::uint8_t> sdt_section() const {
    Sdt sdt;
    sdt.transport_stream_id = 77;
    sdt.original_network_id = 78;
    SdtService service;
    service.service_id = pmt.program_number;
    service.running_status = 4;
    service.descriptors.bytes = service_descriptor(0x19, "Maker", name);
    const std::array<std::uint8_t, 3> unknown{1, 2, 3};
    append_descriptor(service.descriptors, 0x7E, unknown);
    sdt.services = {service};
    return sdt.to_section();
  }
  static std::vector<std::uint8_t> eit_section(std::uint8_t table, std::uint16_t service,
                                               std::uint8_t number) {
    std::vector<std::uint8_t> s(14 + 12 + 4, 0);
    s[0] = table;
    s[1] = 0xF0;
    s[2] = static_cast<std::uint8_t>(s.size() - 3);
    EitHeader h;
    h.table_id = h.last_table_id = table;
    h.service_id = service;
    h.version = 3;
    h.section_number = number;
    h.last_section_number = h.segment_last_section_number = 1;
    h.transport_stream_id = 77;
    h.original_network_id = 78;
    write_eit_header(s, h);
    return s;
  }
};

class MuxRig {
 public:
  explicit MuxRig(std::uint64_t bitrate, MultiplexIdentity named = {5, 0x3001, 0x20FA, "Net", true})
      : identity(std::move(named)), rate(bitrate), mux(identity, bitrate) {}

  struct Entry {
    MuxSource source;
    std::unique_ptr<MultiplexMember> member;
    MultiplexPlace place;
    bool sends = true;
  };
  Entry& add(MuxSource source, std::uint16_t service_id, std::size_t block) {
    auto entry = std::make_unique<Entry>();
    entry->source = std::move(source);
    entry->source.next_ns = now;
    entry->member = std::make_unique<MultiplexMember>(
        MultiplexMember::Identity{service_id, block, identity.transport_stream_id,
                                  identity.original_network_id},
        Multiplexer::most_packets(rate));
    entry->place.member = entry->member.get();
    entry->place.number = service_id;
    entries.push_back(std::move(entry));
    adopt();
    return *entries.back();
  }
  void adopt() {
    std::vector<MultiplexPlace> places;
    for (const auto& entry : entries) places.push_back(entry->place);
    mux.adopt(std::move(places));
  }
  void remove(std::size_t at) {
    auto gone = std::move(entries[at]);
    entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at));
    adopt();
  }

  void give(Entry& entry, const Packet& packet) {
    mux.on_packet(*entry.member, view(packet), kMuxStart + now);
  }
  void section(Entry& entry, std::uint16_t pid, const std::vector<std::uint8_t>& bytes) {
    std::uint8_t& counter = entry.source.counters[pid];
    for (const Packet& packet : split(pack_section(Pid{pid}, bytes, counter))) {
      give(entry, packet);
      counter = (counter + 1) & 0x0F;
    }
  }
  void step(Entry& entry) {
    MuxSource& s = entry.source;
    s.next_ns = now + s.gap_ns;
    if (!entry.sends) return;
    if (now - s.tables_ns >= 100'000'000) {
      s.tables_ns = now;
      section(entry, 0, Pat{77, 0, true, 0, 0, {{s.pmt.program_number, s.pmt_pid}}}.to_section());
      section(entry, s.pmt_pid.value, s.pmt.to_section());
      section(entry, 0x11, s.sdt_section());
    }
    if (s.eit && now - s.eit_ns >= s.eit_every_ns) {
      s.eit_ns = now;
      for (const auto number : {std::uint8_t{0}, std::uint8_t{1}})
        section(entry, 0x12, MuxSource::eit_section(kEitPfActual, s.pmt.program_number, number));
      section(entry, 0x12, MuxSource::eit_section(0x50, s.pmt.program_number, 0));
      section(entry, 0x12, MuxSource::eit_section(0x60, s.pmt.program_number, 0));
      section(entry, 0x12, MuxSource::eit_section(kEitPfActual, 999, 0));
    }
    const std::uint16_t pid = s.pmt.streams[0].pid.value;
    const auto pcr = static_cast<std::uint64_t>(
        s.first_pcr + std::llround(static_cast<double>(now) * 0.027 * (1 + s.ppm * 1e-6)));
    if (now - s.pcr_ns >= 30'000'000) {
      s.pcr_ns = now;
      give(entry, pcr_packet(pid, s.counters[pid]++, pcr % kPcrModulus));
    } else {
      Packet p = packet(pid, s.counters[pid]++, s.video % 40 == 0);
      if (s.video % 40 == 0) p[4] = p[5] = 0, p[6] = 1, p[7] = 0xE0;
      give(entry, p);
    }
    if (++s.video % 8 == 0 && s.pmt.streams.size() > 1) {
      for (std::size_t i = 1; i < s.pmt.streams.size(); ++i) {
        const std::uint16_t other = s.pmt.streams[i].pid.value;
        give(entry, packet(other, s.counters[other]++));
      }
    }
  }
  void run(double seconds) {
    const std::int64_t end = now + static_cast<std::int64_t>(seconds * 1e9);
    Multiplexer::Datagram datagram;
    while (now < end) {
      std::int64_t next = end;
      for (const auto& entry : entries) next = std::min(next, std::max(now, entry->source.next_ns));
      while (mux.next_departure_ns() < kMuxStart + next) {
        const std::int64_t at = std::max(kMuxStart + now, mux.next_departure_ns());
        if (!mux.pop(at, at, datagram)) continue;
        departures.push_back(datagram.departure_ns - kMuxStart);
        for (std::size_t i = 0; i < datagram.bytes.size(); i += kPacketSize)
          std::copy_n(datagram.bytes.begin() + static_cast<std::ptrdiff_t>(i), kPacketSize,
                      out.emplace_back().begin());
      }
      now = next;
      for (const auto& entry : entries) {
        if (entry->source.next_ns <= now) step(*entry);
      }
    }
  }

  struct Section {
    std::int64_t ns = 0;
    std::vector<std::uint8_t> bytes;
  };
  // All of a PID, in order, whose CRC is right.
  std::vector<Section> sections(std::uint16_t pid, std::size_t from = 0) const {
    struct Sink final : SectionSink {
      std::vector<Section> all;
      std::int64_t ns = 0;
      int errors = 0;
      void on_section(Pid, std::span<const std::uint8_t> s) noexcept override {
        all.push_back({ns, {s.begin(), s.end()}});
      }
      void on_crc_error(Pid) noexcept override { ++errors; }
    } sink;
    SectionAssembler assembler{Pid{pid}};
    for (std::size_t i = from; i < out.size(); ++i) {
      if (view(out[i]).pid().value != pid) continue;
      sink.ns = departures[i / RateSchedule::kDatagramPackets];
      assembler.on_packet(view(out[i]), sink);
    }
    return sink.all;
  }
  // Gaps of continuity_counters by PID, of packets with payload.
  std::map<std::uint16_t, int> gaps(std::size_t from = 0) const {
    std::map<std::uint16_t, int> last, found;
    for (std::size_t i = from; i < out.size(); ++i) {
      const TsPacket p = view(out[i]);
      if (p.pid() == kNullPid || !p.has_payload()) continue;
      const auto [at, fresh] = last.try_emplace(p.pid().value, -1);
      if (!fresh && p.continuity_counter() != ((at->second + 1) & 15)) ++found[p.pid().value];
      at->second = p.continuity_counter();
    }
    return found;
  }
  std::size_t count(std::uint16_t pid, std::size_t from = 0) const {
    return static_cast<std::size_t>(
        std::count_if(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
                      [&](const Packet& p) { return view(p).pid().value == pid; }));
  }
  std::optional<Pmt> last_pmt(std::uint16_t pid) const {
    const auto all = sections(pid);
    return all.empty() ? std::nullopt : Pmt::parse(all.back().bytes);
  }

  MultiplexIdentity identity;
  std::uint64_t rate;
  Multiplexer mux;
  std::vector<std::unique_ptr<Entry>> entries;
  std::int64_t now = 0;
  std::vector<Packet> out;
  std::vector<std::int64_t> departures;  // of datagrams
};

}  // namespace headgate::mpegts::test
