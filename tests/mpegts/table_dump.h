// What the tables of a stream say, a line a fact, for the golden files of the captures: `name key=value …`,
// so that other programs' reading of the same stream can be held against it. Each section that differs counts
// once.
#pragma once

#include <fmt/format.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "mpegts/packet/packet_reader.h"
#include "mpegts/psi/cat.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/section_edit.h"
#include "mpegts/psi/tables.h"
#include "mpegts/si/eit.h"
#include "mpegts/si/nit.h"
#include "mpegts/si/sdt.h"
#include "mpegts/si/tdt.h"

namespace headgate::mpegts::test {

class TableDump final : public SectionSink {
 public:
  TableDump() {
    for (const int pid : {0x00, 0x01, 0x10, 0x11, 0x12, 0x14, 0x1FFB})
      watch(Pid{static_cast<std::uint16_t>(pid)});
  }
  void on_packet(const TsPacket& packet) {
    const auto assembler = assemblers_.find(packet.pid());
    if (assembler != assemblers_.end()) assembler->second->on_packet(packet, *this);
  }
  // In the order of PID, table and section.
  std::string text() const {
    std::string all;
    for (const auto& [key, lines] : tables_) {
      for (const auto& line : lines) all += line + "\n";
    }
    return all;
  }

 private:
  using Bytes = std::span<const std::uint8_t>;

  void watch(Pid pid) {
    auto& assembler = assemblers_[pid];
    if (!assembler) assembler = std::make_unique<SectionAssembler>(pid);
  }
  void on_crc_error(Pid) noexcept override {}
  void on_section(Pid pid, Bytes section) noexcept override {
    if (section.size() < 3 || !seen_.insert({pid.value, {section.begin(), section.end()}}).second) return;
    const bool long_form = is_long(section);
    auto& lines = tables_[fmt::format(
        "{:04x} {:02x} {:04x} {:04x} {:02x}", pid.value, section[0], long_form ? table_extension(section) : 0,
        long_form ? order_of_versions(pid, section) : 0, long_form ? section[6] : 0)];
    if (long_form)
      lines.push_back(
          fmt::format("section pid={:#x} table={:#04x} extension={} version={} current={} number={} last={}",
                      pid.value, section[0], table_extension(section), section_version(section),
                      is_current(section) ? 1 : 0, section[6], section[7]));
    describe(pid, section, lines);
  }
  // A version that comes later stands further down, after 31 too.
  std::size_t order_of_versions(Pid pid, Bytes section) {
    auto& list = versions_[{pid.value, section[0], table_extension(section)}];
    const auto found = std::find(list.begin(), list.end(), section[5]);
    if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
    list.push_back(section[5]);
    return list.size() - 1;
  }

  void describe(Pid pid, Bytes section, std::vector<std::string>& lines) {
    if (const auto pat = Pat::parse(section); pat && pid == kPatPid) {
      for (const auto& entry : pat->entries) {
        lines.push_back(fmt::format("pat tsid={} program={} pid={:#x}", pat->transport_stream_id,
                                    entry.program_number, entry.pid.value));
        if (entry.program_number != 0) watch(entry.pid);
      }
    }
    if (const auto pmt = Pmt::parse(section)) pmt_lines(*pmt, lines);
    if (const auto cat = Cat::parse(section)) descriptor_lines("cat", cat->descriptors, lines);
    if (const auto nit = Nit::parse(section)) nit_lines(*nit, lines);
    if (const auto sdt = Sdt::parse(section)) sdt_lines(*sdt, lines);
    if (const auto header = eit_header(section)) eit_lines(*header, section, lines);
    if (const auto tdt = Tdt::parse(section)) lines.push_back(fmt::format("tdt unix={}", tdt->unix_s));
    if (const auto tot = Tot::parse(section)) {
      lines.push_back(fmt::format("tot unix={}", tot->unix_s));
      descriptor_lines("tot", tot->descriptors, lines);
    }
  }
  void pmt_lines(const Pmt& pmt, std::vector<std::string>& lines) {
    const std::string program = fmt::format("program={}", pmt.program_number);
    lines.push_back(
        fmt::format("pmt {} pcr={:#x} streams={}", program, pmt.pcr_pid.value, pmt.streams.size()));
    descriptor_lines("pmt " + program, pmt.descriptors, lines);
    for (const auto& stream : pmt.streams) {
      const std::string name = fmt::format("stream {} pid={:#x}", program, stream.pid.value);
      lines.push_back(fmt::format("{} type={:#04x} kind={} language={}", name, stream.stream_type,
                                  to_string(stream_kind(stream)), language(stream)));
      descriptor_lines(name, stream.descriptors, lines);
      if (stream.stream_type == 0x05) watch(stream.pid);  // AIT
    }
  }
  static void nit_lines(const Nit& nit, std::vector<std::string>& lines) {
    const char* kind = nit.kind == Nit::Kind::bouquet ? "bat" : "nit";
    lines.push_back(fmt::format("{} id={} name={}", kind, nit.id, nit.name()));
    descriptor_lines(kind, nit.descriptors, lines);
    for (const auto& stream : nit.streams) {
      const std::string name = fmt::format("{}.stream tsid={} onid={}", kind, stream.transport_stream_id,
                                           stream.original_network_id);
      lines.push_back(name);
      descriptor_lines(name, stream.descriptors, lines);
    }
  }
  static void sdt_lines(const Sdt& sdt, std::vector<std::string>& lines) {
    for (const auto& service : sdt.services) {
      const std::string name = fmt::format("service tsid={} onid={} id={}", sdt.transport_stream_id,
                                           sdt.original_network_id, service.service_id);
      lines.push_back(fmt::format("{} running={} scrambled={} eit={} type={:#x} provider={} name={}", name,
                                  service.running_status, service.free_ca_mode ? 1 : 0, service.flags,
                                  service.service_type(), service.provider(), service.name()));
      descriptor_lines(name, service.descriptors, lines);
    }
  }
  static void eit_lines(const EitHeader& header, Bytes section, std::vector<std::string>& lines) {
    const std::string name = fmt::format("event service={}", header.service_id);
    lines.push_back(fmt::format("eit service={} tsid={} onid={} segment_last={} last_table={:#04x}",
                                header.service_id, header.transport_stream_id, header.original_network_id,
                                header.segment_last_section_number, header.last_table_id));
    for (const auto& event : eit_events(section)) {
      lines.push_back(fmt::format("{} id={} start={} duration={} running={} scrambled={} name={}", name,
                                  event.event_id, event.start_unix_s.value_or(-1),
                                  static_cast<std::int64_t>(event.duration_s.value_or(0)),
                                  event.running_status, event.free_ca_mode ? 1 : 0, event.name()));
    }
  }
  // One line each, with what is read of its body.
  static void descriptor_lines(const std::string& of, const Descriptors& descriptors,
                               std::vector<std::string>& lines) {
    for (const Descriptor& d : DescriptorLoop(descriptors)) {
      std::string line = fmt::format("descriptor of={} tag={:#04x} length={}", of.substr(0, of.find(' ')),
                                     d.tag, d.body.size());
      if (d.private_data_specifier != 0) line += fmt::format(" specifier={:#x}", d.private_data_specifier);
      lines.push_back(line + body_of(d));
    }
  }
  static std::string body_of(const Descriptor& d) {
    std::string text;
    const auto code = [](const std::array<char, 3>& c) { return std::string(c.begin(), c.end()); };
    if (const auto ca = as_ca(d)) text += fmt::format(" ca={:#06x} pid={:#x}", ca->system_id, ca->pid.value);
    if (const auto format = as_registration(d)) text += fmt::format(" format={:#010x}", *format);
    if (const auto tag = as_stream_identifier(d)) text += fmt::format(" component={}", *tag);
    if (const auto ac3 = as_ac3(d)) {
      if (ac3->component_type) text += fmt::format(" component_type={:#04x}", *ac3->component_type);
      if (ac3->bsid) text += fmt::format(" bsid={}", *ac3->bsid);
      if (ac3->mainid) text += fmt::format(" mainid={}", *ac3->mainid);
      if (ac3->asvc) text += fmt::format(" asvc={}", *ac3->asvc);
    }
    if (const auto aac = as_aac(d)) text += fmt::format(" profile={:#04x}", aac->profile_and_level);
    if (const auto hevc = as_hevc(d))
      text += fmt::format(" profile={} level={}", hevc->profile_idc, hevc->level_idc);
    for (const auto& l : as_languages(d)) text += fmt::format(" language={}:{}", code(l.code), l.audio_type);
    for (const auto& t : as_teletext(d))
      text += fmt::format(" teletext={}:{}:{}{:02x}", code(t.code), t.type, t.magazine == 0 ? 8 : t.magazine,
                          t.page);
    for (const auto& s : as_subtitling(d))
      text += fmt::format(" subtitles={}:{:#04x}:{}:{}", code(s.code), s.type, s.composition_page,
                          s.ancillary_page);
    for (const auto& c : as_logical_channels(d))
      text += fmt::format(" lcn={}:{}:{}", c.service_id, c.number, c.visible ? 1 : 0);
    return text;
  }

  std::map<Pid, std::unique_ptr<SectionAssembler>> assemblers_;
  std::set<std::pair<std::uint16_t, std::vector<std::uint8_t>>> seen_;
  std::map<std::tuple<std::uint16_t, std::uint8_t, std::uint16_t>, std::vector<std::uint8_t>> versions_;
  std::map<std::string, std::vector<std::string>> tables_;
};

// Twice through the stream: a table may come before the PAT that names its PID.
inline std::string dump_tables(std::span<const std::uint8_t> bytes) {
  TableDump dump;
  for (int pass = 0; pass < 2; ++pass) {
    PacketReader reader;
    const auto drain = [&] {
      while (const auto item = reader.next()) dump.on_packet(item->packet);
    };
    for (auto rest = bytes; !rest.empty(); rest = rest.subspan(std::min<std::size_t>(rest.size(), 1 << 16))) {
      reader.push(rest.first(std::min<std::size_t>(rest.size(), 1 << 16)));
      drain();
    }
    reader.finish();
    drain();
  }
  return dump.text();
}

}  // namespace headgate::mpegts::test
