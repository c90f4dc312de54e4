#include "mpegts/remux/service_rewriter.h"

#include <algorithm>
#include <utility>

#include "mpegts/psi/cat.h"
#include "mpegts/psi/descriptors.h"
#include "mpegts/psi/section_edit.h"

namespace headgate::mpegts::remux {
namespace {

constexpr std::uint8_t kCatTableId = 0x01;    // table 2-31
constexpr std::uint8_t kMostCatSections = 4;  // what finds room beside the rest
constexpr std::uint8_t kRunning = 4;          // EN 300 468 table 6

// Of a service whose source does not say it (EN 300 468 table 87).
std::uint8_t service_type_of(const Pmt& pmt) noexcept {
  std::uint8_t type = 0x0C;  // data broadcast
  for (const PmtStream& stream : pmt.streams) {
    const StreamKind kind = stream_kind(stream);
    if (kind == StreamKind::hevc) return 0x1F;
    if (kind == StreamKind::h264) return 0x19;
    if (role_kind(stream) == RoleKind::video) return 0x01;
    if (is_audio(kind) && type != 0x02) type = kind == StreamKind::mpeg_audio ? 0x02 : 0x0A;
  }
  return type;
}

}  // namespace

ServiceRewriter::ServiceRewriter(RemuxOptions options) : options_(std::move(options)), pids_(options_) {}

bool ServiceRewriter::set_texts(const std::string& provider, const std::string& name) {
  if (options_.provider == provider && options_.name == name) return false;
  options_.provider = provider;
  options_.name = name;
  return true;
}

void ServiceRewriter::set_pmt(const Pmt& pmt, Pid source) {
  source_pmt_ = pmt;
  source_pmt_pid_ = source;
  place();
}

bool ServiceRewriter::on_cat(std::span<const std::uint8_t> section) {
  if (section[0] != kCatTableId || section[7] >= kMostCatSections) return false;
  if (cat_.on_section(section) != TableCollector::Step::complete) return false;
  if (source_pmt_pid_ == kNullPid) return false;
  place();
  return true;
}

void ServiceRewriter::place() {
  std::vector<Pid> emm;
  std::vector<Cat> cats;
  if (cat_.complete()) {
    for (const auto& section : cat_.sections()) {
      auto parsed = Cat::parse(section);
      if (!parsed) continue;
      for (const Descriptor& d : DescriptorLoop(parsed->descriptors)) {
        if (const auto ca = as_ca(d)) emm.push_back(ca->pid);
      }
      cats.push_back(std::move(*parsed));
    }
  }
  out_ = pids_.map(source_pmt_, source_pmt_pid_, emm);
  out_.pmt.program_number = service_id(source_pmt_.program_number);
  router_.set(out_.routes, pids_.pmt_pid(source_pmt_pid_));
  cat_out_.clear();
  for (Cat& table : cats) {
    map_ca_pids(table.descriptors, [&](Pid from) {
      const auto to = std::find_if(out_.emm.begin(), out_.emm.end(), [&](auto& r) { return r.from == from; });
      return to == out_.emm.end() ? from : to->to;
    });
    cat_out_.push_back(table.to_section());
  }
}

Sdt ServiceRewriter::sdt(const Sdt& source) const {
  Sdt ours = source;
  SdtService& service = ours.services.front();
  service.service_id = service_id(service.service_id);
  set_service_texts(service.descriptors, options_.provider, options_.name, service_type_of(source_pmt_));
  if (options_.ca == CaHandling::drop) service.free_ca_mode = false;
  return ours;
}

SdtService ServiceRewriter::plain_service(std::uint16_t source) {
  SdtService service;
  service.service_id = source;
  service.running_status = kRunning;
  return service;
}

std::span<const std::uint8_t> ServiceRewriter::eit(std::span<const std::uint8_t> section,
                                                   std::uint16_t source) noexcept {
  if (!options_.service_id || section.size() > eit_.size()) return section;
  const std::span<std::uint8_t> ours = std::span<std::uint8_t>{eit_}.first(section.size());
  std::copy(section.begin(), section.end(), ours.begin());
  set_table_extension(ours, service_id(source));
  seal(ours);
  return ours;
}

}  // namespace headgate::mpegts::remux
