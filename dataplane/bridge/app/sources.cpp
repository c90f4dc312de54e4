#include "dataplane/bridge/app/sources.h"

#include <nlohmann/json.hpp>

#include "dataplane/bridge/app/status.h"

namespace headgate::bridge::app {
namespace {

using nlohmann::json;

const char* to_string(ingest::SourceState state) {
  switch (state) {
    case ingest::SourceState::waiting:
      return "waiting";
    case ingest::SourceState::connecting:
      return "connecting";
    case ingest::SourceState::receiving:
      break;
  }
  return "receiving";
}

const char* to_string(protocol::SourceKind kind) {
  switch (kind) {
    case protocol::SourceKind::publish:
      return "publish";
    case protocol::SourceKind::srt_caller:
    case protocol::SourceKind::srt_listener:
      return "srt";
    case protocol::SourceKind::rtmp:
      return "rtmp";
    case protocol::SourceKind::http_ts:
      return "http-ts";
    case protocol::SourceKind::hls:
      return "hls";
    case protocol::SourceKind::file:
      break;
  }
  return "file";
}

json source_of(const ingest::Entry& entry, const ingest::SourceStatus& status) {
  return {{"number", entry.input().number},
          {"url", entry.input().url},
          {"kind", to_string(entry.input().kind)},
          {"state", to_string(status.state)},
          {"peer", status.peer},
          {"error", status.error},
          {"since_unix_ns", status.since_ns},
          {"connections", status.connections},
          {"bytes", status.bytes},
          {"packets", status.packets},
          {"drops", status.drops},
          {"details", status.details},
          {"left_out", left_out_json(status.left_out)}};
}

}  // namespace

tl::expected<void, std::string> Sources::apply(const protocol::BridgeState& state) {
  return entries_.apply(
      state.channels,
      [this](ingest::Entry& entry) {
        if (auto source = make_(entry)) sources_[&entry] = std::move(source);
      },
      [this](ingest::Entry& entry) {
        sources_.erase(&entry);
        if (entry.input().kind == protocol::SourceKind::publish) gone_(entry);
      });
}

std::map<std::string, json> Sources::status() const {
  std::map<std::string, json> out;
  for (const ingest::Entry* entry : entries_.all()) {
    json& list = out.try_emplace(entry->channel(), json::array()).first->second;
    list.push_back(source_of(*entry, entry->status()));
  }
  return out;
}

}  // namespace headgate::bridge::app
