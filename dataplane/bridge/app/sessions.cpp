#include "dataplane/bridge/app/sessions.h"

#include <fnmatch.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <tuple>

#include "control/log/log.h"
#include "dataplane/bridge/app/bridge.h"
#include "dataplane/bridge/app/pushes.h"
#include "dataplane/bridge/app/sources.h"
#include "dataplane/bridge/http/server.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/rtmp/server.h"
#include "dataplane/bridge/srt/server.h"

namespace headgate::bridge::app {
namespace {

using nlohmann::json;

hub::SessionInfo info_of(const srt::SessionStats& stats) {
  hub::SessionInfo out;
  out.id = "srt-" + std::to_string(stats.number);
  out.channel = stats.channel;
  out.protocol = "srt";
  out.role = stats.publishing ? "publisher" : "player";
  out.state = stats.publishing ? "publishing" : "playing";
  out.address = stats.address;
  out.since_unix_ns = stats.since_unix_ns;
  out.bytes = stats.bytes;
  out.bitrate_bps = stats.bits_per_second;
  out.skipped = stats.publishing ? stats.missing_packets : stats.dropped_messages * hub::TsChunk::kMaxPackets;
  if (stats.rtt_ms > 0) out.rtt_ns = static_cast<std::int64_t>(stats.rtt_ms * 1e6);
  return out;
}

bool unconnected(const hub::SessionInfo& session) {
  return session.role == "push" ? session.state != "sending"
                                : session.role == "pull" && session.state != "receiving";
}

}  // namespace

json to_json(const hub::SessionInfo& session) {
  const auto or_null = [](const std::string& text) { return text.empty() ? json(nullptr) : json(text); };
  return {{"id", session.id},
          {"channel", session.channel},
          {"protocol", session.protocol},
          {"role", session.role},
          {"address", session.address},
          {"url", or_null(session.url)},
          {"since_unix_ns", session.since_unix_ns},
          {"bytes", session.bytes},
          {"bitrate_bps", session.bitrate_bps},
          {"skipped", session.skipped},
          {"rtt_ns", session.rtt_ns ? json(*session.rtt_ns) : json(nullptr)},
          {"user_agent", or_null(session.user_agent)},
          {"state", session.state},
          {"error", or_null(session.error)}};
}

bool worse(const hub::SessionInfo& a, const hub::SessionInfo& b) {
  const auto key = [](const hub::SessionInfo& s) {
    return std::make_tuple(!unconnected(s), -static_cast<double>(s.skipped), -s.since_unix_ns);
  };
  return key(a) < key(b);
}

// One answer on its way: a protocol, or a piece of one, at each turn of the loop.
struct Sessions::Gathering : std::enable_shared_from_this<Sessions::Gathering> {
  Gathering(Sessions& s, std::function<void(std::string)> r) : sessions(s), reply(std::move(r)) {}

  void go_on() {
    boost::asio::post(sessions.context_, [self = shared_from_this()] { self->step(); });
  }

  void step() {
    Parts& parts = sessions.parts_;
    const std::size_t from = found.size();
    switch (stage) {
      case Stage::rtmp:
        if (after = parts.rtmp.list(after, kAtOnce, found); after == 0) stage = Stage::http;
        break;
      case Stage::http:
        if (after = parts.http.list(after, kAtOnce, found); after == 0) stage = Stage::hls;
        break;
      case Stage::hls:
        list_viewers();
        break;
      case Stage::srt:
        for (const srt::SessionStats& stats : parts.srt.stats().sessions) found.push_back(info_of(stats));
        stage = Stage::pushes;
        break;
      case Stage::pushes:
        parts.pushes.list(found);
        parts.sources.list(found);
        stage = Stage::sort;
        break;
      case Stage::sort:
        sort();
        break;
      case Stage::write:
        return write();
    }
    keep_wanted(from);
    go_on();
  }

  // A channel a turn; one that was made meanwhile may be left out.
  void list_viewers() {
    Bridge& bridge = sessions.parts_.bridge;
    if (!in_renditions) {
      const auto at = bridge.channels().upper_bound(last_channel);
      if (at != bridge.channels().end()) {
        last_channel = at->first;
        return at->second->list_viewers(found);
      }
      in_renditions = true;
      last_channel.clear();
    }
    const auto at = bridge.renditions().upper_bound(last_channel);
    if (at == bridge.renditions().end()) {
      stage = Stage::srt;
      return;
    }
    last_channel = at->first;
    at->second->list_viewers(found);
  }

  void keep_wanted(std::size_t from) {
    if (wanted.empty() || stage == Stage::write) return;
    const auto begin = found.begin() + static_cast<std::ptrdiff_t>(from);
    found.erase(std::remove_if(begin, found.end(),
                               [&](const hub::SessionInfo& session) {
                                 return ::fnmatch(wanted.c_str(), session.channel.c_str(), 0) != 0;
                               }),
                found.end());
  }

  void sort() {
    total = found.size();
    limit = std::min(limit, total);
    // Their places: moving ten thousand of them about would hold up the loop.
    for (const hub::SessionInfo& session : found) order.push_back(&session);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(limit), order.end(),
                      [](const hub::SessionInfo* a, const hub::SessionInfo* b) { return worse(*a, *b); });
    stage = Stage::write;
  }

  void write() {
    const std::size_t end = std::min(written + kAtOnce, limit);
    for (; written < end; ++written) {
      if (written > 0) text += ',';
      text += to_json(*order[written]).dump(-1, ' ', false, json::error_handler_t::replace);
    }
    if (written < limit) return go_on();
    std::string line = protocol::format_result(id, {{"now_unix_ns", hub::unix_now_ns()},
                                                    {"sessions", json::array()},
                                                    {"total", total},
                                                    {"left_out", total - limit}});
    const std::string_view place = "\"sessions\":[";
    line.insert(line.find(place) + place.size(), text);
    reply(std::move(line));
  }

  enum class Stage : std::uint8_t { rtmp, http, hls, srt, pushes, sort, write };
  Sessions& sessions;
  std::function<void(std::string)> reply;
  std::uint64_t id = 0;
  std::string wanted;  // pattern of the channel; "" all
  std::size_t limit = kMost;
  Stage stage = Stage::rtmp;
  std::uint64_t after = 0;
  std::string last_channel;
  bool in_renditions = false;
  std::vector<hub::SessionInfo> found;
  std::vector<const hub::SessionInfo*> order;
  std::size_t total = 0;
  std::size_t written = 0;
  std::string text;
};

void Sessions::answer(const protocol::Request& request, std::function<void(std::string line)> reply) {
  auto gathering = std::make_shared<Gathering>(*this, std::move(reply));
  gathering->id = request.id;
  if (const auto channel = request.params.find("channel");
      channel != request.params.end() && channel->is_string())
    gathering->wanted = channel->get<std::string>();
  if (const auto limit = request.params.find("limit");
      limit != request.params.end() && limit->is_number_integer() && *limit >= 0)
    gathering->limit = std::min(kMost, limit->get<std::size_t>());
  gathering->step();
}

std::optional<hub::SessionInfo> Sessions::kick(std::string_view protocol, std::uint64_t number) {
  if (protocol == "rtmp") return parts_.rtmp.kick(number);
  if (protocol == "http") return parts_.http.kick(number);
  if (protocol == "push") return parts_.pushes.kick(number, parts_.bridge);
  if (protocol == "srt") {
    const auto stats = parts_.srt.kick(number);
    return stats ? std::optional(info_of(*stats)) : std::nullopt;
  }
  if (protocol == "hls") {
    for (const auto& [id, channel] : parts_.bridge.channels()) {
      if (auto ended = channel->kick_viewer(number)) return ended;
    }
    for (const auto& [id, rendition] : parts_.bridge.renditions()) {
      if (auto ended = rendition->kick_viewer(number)) return ended;
    }
  }
  if (protocol == "in") {
    ingest::Entry* entry = parts_.sources.find(number);
    if (entry == nullptr) return {};
    hub::SessionInfo info = parts_.sources.info_of(*entry);
    // Its port stays open for whoever comes next.
    if (entry->input().kind == protocol::SourceKind::srt_listener) {
      if (!parts_.srt.kick(*entry)) return {};
    } else {
      parts_.sources.reconnect(*entry);
    }
    return info;
  }
  return {};
}

tl::expected<json, std::string> Sessions::kick(const json& params) {
  const auto wanted = params.find("id");
  if (wanted == params.end() || !wanted->is_string())
    return tl::unexpected<std::string>("id: that of a session, as rtmp-17");
  const std::string id = wanted->get<std::string>();
  const std::size_t dash = id.rfind('-');
  std::uint64_t number = 0;
  const bool formed =
      dash != std::string::npos &&
      std::from_chars(id.data() + dash + 1, id.data() + id.size(), number).ptr == id.data() + id.size() &&
      number > 0;
  const auto ended = formed ? kick(std::string_view(id).substr(0, dash), number) : std::nullopt;
  if (!ended) return tl::unexpected<std::string>("no session has this id now");
  log::info({ended->channel, "kicked", false}, "{} ({}, {}): {}", ended->id, ended->role,
            ended->address.empty() ? ended->url : ended->address, hub::kKicked);
  return json{{"kicked", to_json(*ended)}};
}

}  // namespace headgate::bridge::app
