#include "dataplane/bridge/srt/access.h"

#include "control/protocol/bridge_drops.h"
#include "dataplane/bridge/net/guess_limit.h"
#include "dataplane/bridge/srt/stream_id.h"

namespace headgate::bridge::srt {
namespace {

struct RefusalText {
  int code;
  const char* remedy;
};
// By Refusal. The codes are those of libsrt's access_control.h; gate.cpp asserts them.
constexpr std::array<RefusalText, kRefusals> kTexts{{
    {1400, "write streamid=CHANNEL or streamid=#!::r=CHANNEL,m=request"},
    {1400, "add ?streamid=CHANNEL to the address"},
    {1404,
     "to play: no channel of that name has `srt` under `serve`; to publish: none has a `publish` input"},
    {1405, "use m=request to play, m=publish to publish"},
    {1415, "leave t= out of the stream id, or write t=stream"},
    {1402, "the listener has as many sessions as it takes"},
    {1401, "write r=CHANNEL?key=SECRET with the channel's key"},
    {1403, "ten wrong keys or channels in a minute: wait a minute"},
    {1409, "another publisher has the channel: stop it, or wait until it is silent for 1 s"},
    {0, "it sent nothing for 30 s: cut off"},
    {0, "the passphrase is wrong, missing, or not wanted for this channel"},
    {0, "the operator ended it"},
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
std::string_view name_of(Refusal refusal) {
  static_assert(protocol::kSrtRefusals.size() == kRefusals);
  return protocol::kSrtRefusals[static_cast<std::size_t>(refusal)].name;
}
const char* remedy_of(Refusal refusal) { return kTexts[static_cast<std::size_t>(refusal)].remedy; }

std::shared_ptr<const AccessTable> AccessTable::of(const std::vector<protocol::SrtServerState>& servers,
                                                   const std::vector<protocol::BridgeChannel>& channels) {
  auto table = std::make_shared<AccessTable>();
  for (const auto& server : servers) table->listeners[server.listen] = {server.latency_ms, server.passphrase};
  for (const auto& channel : channels) {
    if (channel.srt) table->channels[channel.id] = channel.srt->passphrase;
    for (const auto& input : channel.inputs) {
      if (input.kind == protocol::SourceKind::publish)
        table->publishers.emplace(channel.id, Publish{input.key, input.passphrase});
    }
  }
  return table;
}

const std::string* AccessTable::secret(std::string_view listener, std::string_view channel) const {
  const auto at = listeners.find(listener);
  const auto found = channels.find(channel);
  if (at == listeners.end() || found == channels.end()) return nullptr;
  return found->second.empty() ? &at->second.passphrase : &found->second;
}

std::optional<AccessTable::Publish> AccessTable::publish(std::string_view listener,
                                                         std::string_view channel) const {
  const auto at = listeners.find(listener);
  const auto found = publishers.find(channel);
  if (at == listeners.end() || found == publishers.end()) return std::nullopt;
  Publish out = found->second;
  if (out.passphrase.empty()) out.passphrase = at->second.passphrase;
  return out;
}

namespace {

Decision decide_publish(const AccessTable& table, std::string_view listener, StreamId&& id) {
  const auto wanted = table.publish(listener, id.channel);
  Decision decision = refused(Refusal::not_found);
  decision.publishing = true;
  decision.channel = std::move(id.channel);
  if (!wanted) return decision;
  decision.refusal = Refusal::wrong_key;
  decision.accepted = wanted->key.empty() || net::same_secret(wanted->key, id.key);
  decision.key = wanted->key;
  decision.passphrase = wanted->passphrase;
  return decision;
}

}  // namespace

Decision decide(const AccessTable& table, std::string_view listener, std::string_view stream_id,
                std::size_t sessions, std::size_t max_sessions) {
  auto parsed = parse_stream_id(stream_id);
  if (!parsed) return refused(refusal_for(parsed.error()));
  if (parsed->mode == Mode::bidirectional) return refused(Refusal::mode);
  Decision decision;
  if (parsed->mode == Mode::publish) {
    decision = decide_publish(table, listener, std::move(*parsed));
    if (!decision.accepted) return decision;
  } else {
    const std::string* secret = table.secret(listener, parsed->channel);
    if (secret == nullptr) return refused(Refusal::not_found);
    decision.accepted = true;
    decision.channel = std::move(parsed->channel);
    decision.passphrase = *secret;
  }
  if (sessions >= max_sessions) return refused(Refusal::overload);
  decision.latency_ms = table.listeners.find(listener)->second.latency_ms;
  return decision;
}

}  // namespace headgate::bridge::srt
