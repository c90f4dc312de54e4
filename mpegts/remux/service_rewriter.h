// What RemuxOptions make of one service's tables and PIDs: PMT and CAT with the PIDs under which things leave
// (ISO/IEC 13818-1:2022 2.4.4.6, 2.4.4.8), SDT and EIT with the map's number and texts (EN 300 468 5.2.3,
// 5.2.4). Threading: owned by one thread; allocates where a table changed, not for packets or EIT sections.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpegts/psi/section.h"
#include "mpegts/psi/tables.h"
#include "mpegts/psi/versioned_table.h"
#include "mpegts/remux/packet_router.h"
#include "mpegts/remux/pid_map.h"
#include "mpegts/remux/remux_options.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts::remux {

class ServiceRewriter {
 public:
  explicit ServiceRewriter(RemuxOptions options);

  std::uint16_t service_id(std::uint16_t source) const noexcept {
    return options_.service_id.value_or(source);
  }
  bool keeps_emm() const noexcept { return options_.ca == CaHandling::keep; }
  // False: they are the same.
  bool set_texts(const std::string& provider, const std::string& name);
  bool has_texts() const noexcept { return !options_.provider.empty() || !options_.name.empty(); }

  // Of the PMT as it leaves.
  Pid pmt_pid(Pid source) { return pids_.pmt_pid(source); }

  // Places all PIDs anew.
  void set_pmt(const Pmt& pmt, Pid source);
  // A section of the CAT. True: it is whole and new, and all PIDs were placed anew.
  bool on_cat(std::span<const std::uint8_t> section);
  // As they leave.
  const Pmt& pmt() const noexcept { return out_.pmt; }
  std::span<const PidMap::Route> routes() const noexcept { return out_.routes; }
  const std::vector<std::vector<std::uint8_t>>& cat() const noexcept { return cat_out_; }
  PacketRouter& router() noexcept { return router_; }

  // Of one service, ours.
  Sdt sdt(const Sdt& source) const;
  // What there is to say of a service of which its source says nothing.
  static SdtService plain_service(std::uint16_t source);
  // Valid until the next call.
  std::span<const std::uint8_t> eit(std::span<const std::uint8_t> section, std::uint16_t source) noexcept;

 private:
  void place();

  RemuxOptions options_;
  PidMap pids_;
  PacketRouter router_;
  Pmt source_pmt_;
  Pid source_pmt_pid_ = kNullPid;
  PidMap::Result out_;
  TableCollector cat_{1024};  // 2.4.4.1
  std::vector<std::vector<std::uint8_t>> cat_out_;
  std::array<std::uint8_t, kMaxSectionSize> eit_{};
};

}  // namespace headgate::mpegts::remux
