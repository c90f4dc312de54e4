#include "dataplane/bridge/srt/access.h"

#include "dataplane/bridge/srt/stream_id.h"

namespace headgate::bridge::srt {
namespace {

struct RefusalText {
  int code;
  const char* name;
  const char* remedy;
};
// By Refusal. The codes are those of libsrt's access_control.h; listener.cpp asserts them.
constexpr std::array<RefusalText, kRefusals> kTexts{{
    {1400, "bad_stream_id", "write streamid=CHANNEL or streamid=#!::r=CHANNEL,m=request"},
    {1400, "no_stream_id", "add ?streamid=CHANNEL to the address"},
    {1404, "not_found", "no channel of that name has `srt` under `serve`"},
    {1405, "publish", "this listener plays channels, it takes no streams: use m=request"},
    {1415, "media_type", "leave t= out of the stream id, or write t=stream"},
    {1402, "overload", "the listener has as many sessions as it takes"},
    {0, "secret", "the passphrase is wrong, missing, or not wanted for this channel"},
}};

Decision refused(Refusal refusal) {
  Decision decision;
  decision.refusal = refusal;
  return decision;
}

Refusal refusal_for(StreamIdError error) {
  switch (error) {
    case StreamIdError::missing:
      return Refusal::no_stream_id;
    case StreamIdError::not_a_stream:
      return Refusal::media_type;
    case StreamIdError::mode:
    case StreamIdError::too_long:
    case StreamIdError::malformed:
      break;
  }
  return Refusal::bad_stream_id;
}

}  // namespace

int reject_code(Refusal refusal) { return kTexts[static_cast<std::size_t>(refusal)].code; }
const char* name_of(Refusal refusal) { return kTexts[static_cast<std::size_t>(refusal)].name; }
const char* remedy_of(Refusal refusal) { return kTexts[static_cast<std::size_t>(refusal)].remedy; }

std::shared_ptr<const AccessTable> AccessTable::of(const std::vector<protocol::SrtServerState>& servers,
                                                   const std::vector<protocol::BridgeChannel>& channels) {
  auto table = std::make_shared<AccessTable>();
  for (const auto& server : servers) table->listeners[server.listen] = {server.latency_ms, server.passphrase};
  for (const auto& channel : channels) {
    if (channel.srt) table->channels[channel.id] = channel.srt->passphrase;
  }
  return table;
}

const std::string* AccessTable::secret(std::string_view listener, std::string_view channel) const {
  const auto at = listeners.find(listener);
  const auto found = channels.find(channel);
  if (at == listeners.end() || found == channels.end()) return nullptr;
  return found->second.empty() ? &at->second.passphrase : &found->second;
}

Decision decide(const AccessTable& table, std::string_view listener, std::string_view stream_id,
                std::size_t sessions, std::size_t max_sessions) {
  auto parsed = parse_stream_id(stream_id);
  if (!parsed) return refused(refusal_for(parsed.error()));
  if (parsed->mode != Mode::request) return refused(Refusal::publish);
  const std::string* secret = table.secret(listener, parsed->channel);
  if (secret == nullptr) return refused(Refusal::not_found);
  if (sessions >= max_sessions) return refused(Refusal::overload);
  Decision decision;
  decision.accepted = true;
  decision.channel = std::move(parsed->channel);
  decision.passphrase = *secret;
  decision.latency_ms = table.listeners.find(listener)->second.latency_ms;
  return decision;
}

}  // namespace headgate::bridge::srt
