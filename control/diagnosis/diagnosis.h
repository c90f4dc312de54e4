// Why a channel is as it is: the way of its packets stage by stage with what was seen at each, and from that
// the culprit and the remedy. What `headgate why` prints, what /api/v1/channels/ID/why answers and what
// groups alarms by cause: one judgement for all. Threading: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/catalogue/catalogue.h"
#include "control/daemon/view.h"

namespace headgate::control {

struct Stage {
  enum class Verdict : std::uint8_t { ok, bad, unknown, off };
  std::string name;  // "map", "link", "membership", "arrival", "stream", "input", "picture", "sound", "ring",
                     // "bridge", "outputs", "players"
  Verdict verdict = Verdict::unknown;
  std::vector<std::string> evidence;  // one line each, with figures and ages
};

struct Diagnosis {
  std::string channel;  // or the multiplex
  std::string state;    // of it
  catalogue::Culprit culprit = catalogue::Culprit::none;
  std::string verdict;  // a sentence: "The source 10.1.1.7 stopped sending 12 s ago; other groups on cap0
                        // still come."
  std::string remedy;   // a sentence; "" where nothing is wrong
  std::int64_t since_unix_ns = 0;
  std::optional<std::pair<std::string, std::string>>
      alarm;                  // kind and subject of the root alarm, where there is one
  std::vector<Stage> stages;  // in the order of a packet's way
};

// Of a channel or a multiplex; nothing for an id that the map does not have.
std::optional<Diagnosis> diagnose(const GatewayView& view, const std::string& id);
std::optional<Diagnosis> diagnose_multiplex(const GatewayView& view, const std::string& id);
nlohmann::json to_json(const Diagnosis& diagnosis);

// For AlarmBook: which active alarm explains this one. A channel that is down because its port has no link is
// a consequence of that link; one whose source alone is silent stands for itself.
std::optional<std::pair<std::string, std::string>> cause_of(const GatewayView& view, const Alarm& alarm,
                                                            const std::vector<Alarm>& all);

}  // namespace headgate::control
