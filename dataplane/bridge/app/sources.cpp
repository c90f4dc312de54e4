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
        if (auto source = make_(entry)) sources_[&entry] = {++last_number_, std::move(source)};
      },
      [this](ingest::Entry& entry) {
        sources_.erase(&entry);
        if (entry.input().kind == protocol::SourceKind::publish) gone_(entry);
      });
}

hub::SessionInfo Sources::info_of(ingest::Entry& entry) const {
  const ingest::SourceStatus& status = entry.status();
  const bool comes_to_us = entry.input().kind == protocol::SourceKind::srt_listener;
  hub::SessionInfo out;
  out.id = "in-" + std::to_string(sources_.at(&entry).number);
  out.channel = entry.channel();
  out.protocol = to_string(entry.input().kind);
  if (entry.input().address.starts_with("rtmps:")) out.protocol = "rtmps";
  out.role = comes_to_us ? "publisher" : "pull";
  out.address = status.peer;
  out.url = entry.input().url;
  out.state = comes_to_us ? "publishing" : to_string(status.state);
  out.error = status.error;
  out.since_unix_ns = status.since_ns;
  out.bytes = status.bytes;
  out.bitrate_bps = status.bitrate_bps;
  if (const auto late = status.drops.find("srt_late"); late != status.drops.end()) out.skipped = late->second;
  out.rtt_ns = round_trip_of(status.details);
  return out;
}

void Sources::list(std::vector<hub::SessionInfo>& out) const {
  for (const auto& [entry, held] : sources_) {
    const bool nobody =
        entry->input().kind == protocol::SourceKind::srt_listener && entry->status().peer.empty();
    if (entry->input().kind != protocol::SourceKind::file && !nobody) out.push_back(info_of(*entry));
  }
}

ingest::Entry* Sources::find(std::uint64_t number) const {
  for (const auto& [entry, held] : sources_) {
    if (held.number == number && entry->input().kind != protocol::SourceKind::file) return entry;
  }
  return nullptr;
}

void Sources::reconnect(ingest::Entry& entry) {
  Held& held = sources_.at(&entry);
  held.source.reset();  // its connection ends before the next begins
  held.source = make_(entry);
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
