// Private to this folder: what is being judged, and what was found so far. Threading: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/daemon/sources.h"
#include "control/diagnosis/diagnosis.h"

namespace headgate::control::diagnosis {

using catalogue::Culprit;

enum class Weight : std::uint8_t {
  advice,   // nothing is lost by it yet
  damage,   // what is sent is not whole, or somebody gets nothing
  useless,  // what comes can't be played, or a track of it does not come: lost packets are no explanation
  fatal,    // nothing comes
};

// Something that would explain the channel's trouble.
struct Cause {
  Weight weight = Weight::damage;
  Culprit culprit = Culprit::unknown;
  std::string verdict;
  std::string remedy;
  std::int64_t since_unix_ns = 0;  // 0: that of the channel's state
  std::string alarm_kind = {};     // of the alarm for just this; "" where there is none
  std::string alarm_subject = {};
  bool by_edit = false;  // an edit of this channel's inputs just before would explain it better
};

// One channel, and what is known of the input whose way is judged: the preferred one, unless another is on
// air because somebody wants it.
struct Case {
  // `input`: where another one is asked for.
  Case(const GatewayView& view, const config::Channel& channel, const config::Input* input = nullptr);

  const GatewayView& view;
  const Recent& recent;
  const config::Channel& channel;
  ChannelHealth health;
  const nlohmann::json& bridge;  // its status of the channel; null without
  std::vector<SourceView> sources;
  const ChannelSnapshot* air = nullptr;

  const config::Input* input = nullptr;  // null for a channel without any
  const InputSnapshot* seen = nullptr;
  const InputRecent* lately = nullptr;
  const SourceView* source = nullptr;
  const InterfaceSnapshot* port = nullptr;
  const PortRecent* port_lately = nullptr;
  const NetworkSnapshot* network = nullptr;
  const NetworkRecent* neighbours = nullptr;

  bool datagrams() const { return input != nullptr && !config::by_bridge(*input); }
  bool flows() const { return lately != nullptr && lately->flows; }
  bool on_backup() const { return health.state == ChannelState::backup; }
  std::int64_t age_of(std::int64_t unix_ns) const { return view.now_unix_ns - unix_ns; }
  std::int64_t age_of(std::uint64_t unix_ns) const { return age_of(static_cast<std::int64_t>(unix_ns)); }
  std::string place() const;            // "cap0 VLAN 120"
  std::string network_subject() const;  // "cap0 vlan 120"
  std::string input_subject() const;    // "news input 2"
  // That nothing comes of the input; of a channel's only one that is the channel's.
  std::pair<std::string, std::string> silence_alarm() const;
  std::uint64_t dropped(protocol::DropReason reason) const;  // lately, of the input
  std::uint64_t port_dropped(protocol::DropReason reason) const;
  // Errors of the stream lately that packets missing in this node would explain.
  bool has_holes() const;
  // And in like numbers on half of the others of its network at least.
  bool holes_all_over() const;
  // The machine was short of CPU when this began, or found so soon after.
  bool starved_at(std::int64_t unix_ns) const;
  bool starved() const { return view.host.cpu_short; }
  const ProcessView* process(const std::string& name) const;
  bool alarm(const std::string& kind, const std::string& subject) const;
  const InputSnapshot* find_input(std::uint32_t number) const;
  const InputRecent* find_recent(std::uint32_t number) const;
};

class Judgement {
 public:
  // Begins a stage; what follows belongs to it.
  void stage(const char* name);
  void off(std::string why);
  void note(std::string evidence);  // neither good nor bad
  void ok();                        // where nothing worse is said
  void unknown();
  void bad(std::string evidence);
  void cause(Cause cause);  // of the stage at hand, which becomes bad

  bool evidence_empty() const { return stages_.back().evidence.empty(); }
  std::vector<Stage> take_stages() { return std::move(stages_); }
  // The gravest; of several the first on the way. Null where there is none.
  const Cause* first() const;

 private:
  std::vector<Stage> stages_;
  std::vector<Cause> causes_;
};

// stages_host.cpp
void judge_map(const Case& about, Judgement& judgement);
void judge_host(const Case& about, Judgement& judgement);
void judge_gateway(const Case& about, Judgement& judgement);
// stages_in.cpp
void judge_link(const Case& about, Judgement& judgement);
void judge_membership(const Case& about, Judgement& judgement);
void judge_arrival(const Case& about, Judgement& judgement);
// stage_source.cpp
void judge_source(const Case& about, Judgement& judgement);
// stage_stream.cpp
void judge_stream(const Case& about, Judgement& judgement);
// stage_indicators.cpp: of the stream's stage, after what explains them
void judge_indicators(const Case& about, Judgement& judgement);
// stages_out.cpp
void judge_input(const Case& about, Judgement& judgement);
void judge_ring(const Case& about, Judgement& judgement);
void judge_bridge(const Case& about, Judgement& judgement);
void judge_watch(const Case& about, bool pictures, Judgement& judgement);
void judge_outputs(const Case& about, Judgement& judgement);
// Of a multiplex: its multicast alone.
void judge_sent(const Case& about, Judgement& judgement);
void judge_players(const Case& about, Judgement& judgement);
// stage_push.cpp: of the outputs' stage
void judge_push(const Case& about, const config::Push& wanted, Judgement& judgement);

// All stages, and what explains the channel's state; culprit none where nothing is wrong.
Cause judge(const Case& about, Judgement& judgement);
// The querier of the case's network is silent for too long; the time for which it is, else nothing.
std::optional<std::int64_t> querier_silent(const Case& about);
// How many inputs of the network its silence explains, the case's among them; 0: not this one.
std::size_t querier_explains(const Case& about);
// Which keys of the channel the last apply changed shortly before `since`: "inputs", or "added"; "" for none.
std::string edited(const Case& about, std::int64_t since_unix_ns);

}  // namespace headgate::control::diagnosis
