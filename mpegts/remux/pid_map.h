// Which PID of a service leaves under which, and the PMT that says so (ISO/IEC 13818-1:2022 2.4.4.8). First
// the map's rules, the most special first: a PID, then language and number, number, language, the bare role.
// A role without a number is the first track that no other rule names, or with `drop` all of them. A track
// without a rule keeps the PID it left under first, also where it comes back under another (by language, then
// order); else it has its source's, or where that is taken a free one from 0x1FFA down. Threading: owned by
// one thread; map() allocates.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <vector>

#include "mpegts/psi/tables.h"
#include "mpegts/remux/remux_options.h"

namespace headgate::mpegts {

class PidMap {
 public:
  explicit PidMap(RemuxOptions options);

  struct Route {
    Pid from;
    Pid to;
    bool pcr_alone = false;  // its track is left out, or its packets are the PMT's: only the PCR leaves
  };
  struct Result {
    Pmt pmt;  // as it leaves; program_number and version are the source's
    std::vector<Route> routes;
    // Of `emm`, in that order.
    std::vector<Route> emm;
  };

  // The PID of the PMT as it leaves. It stays whatever the source's becomes.
  Pid pmt_pid(Pid source);
  // `pmt_source`: the PID it came on.
  Result map(const Pmt& pmt, Pid pmt_source, const std::vector<Pid>& emm);

 private:
  // Where a track left.
  struct Known {
    RoleKind kind = RoleKind::data;
    std::vector<std::string> languages;
    Pid from;
    Pid to;
    bool used = false;  // by this PMT
  };
  struct Decision {
    bool made = false;
    std::optional<Pid> to;
  };

  void forget();
  const PidRule* rule_of(Pid from) const noexcept;
  const PidRule* rule_of(RoleKind kind) const noexcept;
  std::vector<Decision> decide(const Pmt& pmt);
  void apply(const PidRule& rule, const TrackRole& role, const Pmt& pmt, std::vector<Decision>& out) const;
  void remember(const Pmt& pmt, std::vector<Decision>& decisions);
  Pid place_track(const PmtStream& stream);
  // Of what is no track: PCR, ECM, EMM.
  std::optional<Pid> place_other(Pid from, RoleKind kind);
  void place_ca(Descriptors& descriptors, std::vector<Route>& routes);
  Pid place(Pid wanted);

  RemuxOptions options_;
  std::bitset<kPidCount> taken_;    // of the output, by rules and by what has left
  std::bitset<kPidCount> sources_;  // of the PMT
  std::optional<Pid> pmt_to_;
  std::vector<Known> tracks_;
  std::vector<Known> others_;
};

}  // namespace headgate::mpegts
