#include "control/daemon/event_log.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace headgate::control {
namespace {

bool parse_event(const std::string& line, Event& event) {
  const auto from = nlohmann::json::parse(line, nullptr, false);
  try {
    event.id = from.at("id").get<std::uint64_t>();
    event.unix_ns = from.at("unix_ns").get<std::int64_t>();
    event.severity = from.at("severity").get<std::string>();
    event.kind = from.at("kind").get<std::string>();
    event.subject = from.at("subject").get<std::string>();
    event.message = from.at("message").get<std::string>();
    event.channel = from.value("channel", "");  // lines of an older version have neither
    event.alarm = from.value("alarm", std::uint64_t{0});
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;  // a line cut off by a crash
  }
}

}  // namespace

std::string event_to_json(const Event& event) {
  return nlohmann::json{{"id", event.id},           {"unix_ns", event.unix_ns}, {"severity", event.severity},
                        {"kind", event.kind},       {"subject", event.subject}, {"message", event.message},
                        {"channel", event.channel}, {"alarm", event.alarm}}
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::uint64_t EventLog::last_alarm() const noexcept {
  std::uint64_t last = 0;
  for (const Event& event : recent_) last = std::max(last, event.alarm);
  return last;
}

EventLog::EventLog(const std::string& data_dir) {
  if (data_dir.empty()) return;
  path_ = data_dir + "/events.jsonl";
  read_back();
}

void EventLog::read_back() {
  for (const std::string& path : {path_ + ".1", path_}) {
    std::ifstream file(path);
    file_size_ = 0;
    for (std::string line; std::getline(file, line);) {
      file_size_ += line.size() + 1;
      Event event;
      if (!parse_event(line, event)) continue;
      next_id_ = event.id + 1;
      recent_.push_back(std::move(event));
      if (recent_.size() > kKeep) recent_.pop_front();
    }
  }
}

void EventLog::append(const Event& event) {
  if (path_.empty()) return;
  const std::string line = event_to_json(event) + "\n";
  if (file_size_ + line.size() > kMaxFile) {
    if (std::rename(path_.c_str(), (path_ + ".1").c_str()) == 0) file_size_ = 0;
  }
  std::ofstream file(path_, std::ios::app);
  if (file << line) file_size_ += line.size();
}

void EventLog::add(Event event) {
  event.id = next_id_++;
  append(event);
  recent_.push_back(event);
  if (recent_.size() > kKeep) recent_.pop_front();
  if (listener_) listener_(event);
}

}  // namespace headgate::control
