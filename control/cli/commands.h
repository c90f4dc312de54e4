// What each command does once its arguments are known. All return the exit status: 0 done, 1 failed, 2 usage.
// Threading: main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace headgate::control {

struct CommonOptions {
  std::string socket = "/run/headgate/control.sock";
  bool json = false;
};

int check_command(const std::string& config, bool json);
// `file`: node or channels.
int schema_command(const std::string& file);
int plan_command(const CommonOptions& common);
struct ApplyOptions {
  bool rollback = false;
  std::optional<std::uint32_t> to;  // a map of the history
};
int apply_command(const CommonOptions& common, const ApplyOptions& options);
// `map`: what this one changed; without it the list.
int history_command(const CommonOptions& common, std::optional<std::uint32_t> map);
struct ChannelFilter;  // control/cli/filter.h
int status_command(const CommonOptions& common, const std::string& channel, const ChannelFilter& filter);
int why_command(const CommonOptions& common, const std::string& channel);
// `input`: a number, or auto.
int switch_command(const CommonOptions& common, const std::string& channel, const std::string& input);
struct EventsOptions {
  bool follow = false;
  std::string channel;   // "" all
  std::string severity;  // this or worse; "" all
  std::optional<std::uint32_t> limit;
};
int events_command(const CommonOptions& common, const EventsOptions& options);

// `channel`: an id or a pattern, "" all.
int sessions_command(const CommonOptions& common, const std::string& channel,
                     std::optional<std::uint32_t> limit);
int kick_command(const CommonOptions& common, const std::string& id);

int alarms_command(const CommonOptions& common);
// `id`: of an alarm, or all.
int acknowledge_command(const CommonOptions& common, const std::string& id);
// `target`: a channel or a tag, "" lists what is under maintenance. 0 s ends it.
int maintenance_command(const CommonOptions& common, const std::string& target, std::chrono::seconds time);
// Nagios' convention: a line, and 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
int health_command(const CommonOptions& common);

struct TopOptions {
  std::chrono::milliseconds every{1000};
  std::string sort = "state";
};
int top_command(const CommonOptions& common, const TopOptions& options, const ChannelFilter& filter);

struct ProbeOptions {
  std::string source;
  std::string interface;
  std::chrono::milliseconds time{10'000};
  bool all = false;  // PIDs that came hardly at all, too
};
int probe_command(const CommonOptions& common, const ProbeOptions& options);

struct SendOptions {
  std::string file;
  std::string url;
  bool raw = false;
  bool once = false;
};
int send_command(const CommonOptions& common, const SendOptions& options);

}  // namespace headgate::control
