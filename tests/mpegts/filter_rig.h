// A ServiceFilter with made tables around it, and what it lets out. Threading: one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "mpegts/monitor/stream_analyzer.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/remux/service_filter.h"
#include "mpegts/si/sdt.h"
#include "ts_builder.h"

namespace headgate::mpegts::test {

inline Pmt pmt_of(std::uint16_t program, std::uint16_t video, std::uint8_t version = 0) {
  Pmt pmt;
  pmt.program_number = program;
  pmt.version = version;
  pmt.pcr_pid = Pid{static_cast<std::uint16_t>(video + 9)};
  pmt.descriptors.bytes = {0x09, 4, 0x05, 0x00, 0xE7, 0x00};  // ECM PID 0x700
  pmt.streams = {{0x1B, Pid{video}, {}},
                 {0x0F, Pid{static_cast<std::uint16_t>(video + 1)}, {{0x09, 4, 0x05, 0x00, 0xE7, 0x01}}}};
  return pmt;
}

inline SdtService service(std::uint16_t id, const std::string& name) {
  SdtService s;
  s.service_id = id;
  s.running_status = 4;
  s.descriptors.bytes = {0x48, static_cast<std::uint8_t>(3 + name.size()), 1, 0,
                         static_cast<std::uint8_t>(name.size())};
  s.descriptors.bytes.insert(s.descriptors.bytes.end(), name.begin(), name.end());
  return s;
}

// Drives a filter, and keeps what comes out.
struct FilterRig {
  using Verdict = ServiceFilter::Verdict;
  ServiceFilter filter;
  std::vector<std::uint8_t> out;
  std::map<std::uint16_t, std::uint8_t> cc;
  std::int64_t now_ns = 0;
  std::int64_t step_ns = 0;  // from packet to packet

  explicit FilterRig(ServiceSelector selector, RemuxOptions options = {})
      : filter(std::move(selector), std::move(options)) {}
  Verdict feed(const Packet& packet) {
    now_ns += step_ns;
    const auto verdict = filter.on_packet(view(packet), now_ns);
    if (verdict == Verdict::pass) out.insert(out.end(), packet.begin(), packet.end());
    if (verdict == Verdict::replace) {
      const auto bytes = filter.replacement();
      out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return verdict;
  }
  Verdict section(std::uint16_t pid, const std::vector<std::uint8_t>& section) {
    Verdict last = Verdict::drop;
    for (const auto& p : split(pack_section(Pid{pid}, section, cc[pid]))) {
      last = feed(p);
      cc[pid] = (cc[pid] + 1) & 0x0F;
    }
    return last;
  }
  Verdict es(int pid) {
    const auto value = static_cast<std::uint16_t>(pid);
    return feed(packet(value, cc[value]++));
  }
  StreamReport report() const {
    StreamAnalyzer analyzer;
    for (const auto& p : split(out)) analyzer.on_packet(view(p));
    return analyzer.report();
  }
};

inline std::vector<std::uint8_t> pat(std::vector<PatEntry> entries, std::uint8_t version = 0,
                                     std::uint8_t number = 0, std::uint8_t last = 0) {
  return Pat{9, version, true, number, last, std::move(entries)}.to_section();
}

// A section without events, or with those bytes for them.
inline std::vector<std::uint8_t> eit(std::uint8_t table_id, std::uint16_t service_id, std::size_t size = 0) {
  std::vector<std::uint8_t> s{table_id, 0xF0, 0, 0, 0, 0xC1, 0, 1, 0, 9, 0, 1, 1, table_id};
  s[3] = static_cast<std::uint8_t>(service_id >> 8);
  s[4] = static_cast<std::uint8_t>(service_id);
  s.insert(s.end(), size, static_cast<std::uint8_t>(service_id));
  s[1] = static_cast<std::uint8_t>(0xF0 | (s.size() + 1) >> 8);
  s[2] = static_cast<std::uint8_t>(s.size() + 1);
  const std::uint32_t crc = crc32_mpeg(s);
  for (const int shift : {24, 16, 8, 0}) s.push_back(static_cast<std::uint8_t>(crc >> shift));
  return s;
}

}  // namespace headgate::mpegts::test
