// The jobs of the transcode process as it tells of them in its status: what alarms and metrics are made of.
// What is not as it should be counts as absent. Threading: pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "config/model/model.h"

namespace headgate::control {

struct TranscodeJob {
  std::string name;
  std::string kind;
  std::string channel;  // "" for pictures
  std::string state;    // running | backing_off | quarantined
  double cpu_seconds = 0;
  std::uint64_t restarts = 0;
  std::map<std::string, std::uint64_t> deaths;  // by reason
  std::string last_error;
};

std::vector<TranscodeJob> transcode_jobs(const nlohmann::json& transcode_status,
                                         std::string_view channel = {});  // of all where that is empty

// Of the worker that makes AAC of a channel's sound: `state`, `restarts`, `last_error`; null: there is none.
nlohmann::json sound_worker(const nlohmann::json& transcode_status, const std::string& channel);

// By job, with why and what it costs: those whose worker is to be started again, having died.
std::map<std::string, std::string> transcode_failing(const nlohmann::json& transcode_status);
// And those whose worker died too often.
std::map<std::string, std::string> transcode_quarantined(const nlohmann::json& transcode_status);
// By rendition and what is made for it: pictures that their worker can't make, or not fast enough.
std::map<std::string, std::string> renditions_failing(const nlohmann::json& bridge_status);

// What the map asks for and nobody does where headgate-transcode is not installed; "": nothing.
std::string missing_without_transcode(const config::Model& model);

}  // namespace headgate::control
