// Who may play and who may publish: decides about a caller from an immutable table, because libsrt asks on
// the thread that receives all packets of the port. References: SRT Access Control guidelines "Rejection
// Codes" (access_control.h of libsrt). Threading: AccessTable is immutable once shared; decide() is a pure
// function.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol/state.h"

namespace headgate::bridge::srt {

enum class Refusal : std::uint8_t {
  bad_stream_id,
  no_stream_id,
  not_found,
  mode,  // m=bidirectional
  media_type,
  overload,
  wrong_key,
  too_many_guesses,
  conflict,          // another publisher has the place
  silent_publisher,  // let in, and cut off
  secret,            // libsrt's own: wrong passphrase, one missing, or one too many
  kicked,            // let in, and ended by the operator
};
inline constexpr std::size_t kRefusals = 12;

// The code that the caller sees (SRT_REJX_...); 0 for `secret`, which libsrt answers itself, and for who was
// let in before.
int reject_code(Refusal refusal);
// One word: control/protocol/bridge_drops.h has them in this order.
std::string_view name_of(Refusal refusal);
// For the log: what to do about it.
const char* remedy_of(Refusal refusal);

struct AccessTable {
  struct Listener {
    std::uint32_t latency_ms = 120;
    std::string passphrase;
  };
  struct Publish {
    std::string key;         // "": none is asked for
    std::string passphrase;  // "": the listener's
    bool operator==(const Publish&) const = default;
  };
  std::map<std::string, std::string, std::less<>> channels;  // id to its own passphrase; "": the listener's
  std::map<std::string, Publish, std::less<>> publishers;    // id to what its encoder must know
  std::map<std::string, Listener, std::less<>> listeners;    // by listen address

  static std::shared_ptr<const AccessTable> of(const std::vector<protocol::SrtServerState>& servers,
                                               const std::vector<protocol::BridgeChannel>& channels);
  // What a caller of this channel on this listener must know; null: neither is there any more.
  const std::string* secret(std::string_view listener, std::string_view channel) const;
  // The same of a publisher.
  std::optional<Publish> publish(std::string_view listener, std::string_view channel) const;
};

struct Decision {
  bool accepted = false;
  Refusal refusal = Refusal::bad_stream_id;
  bool publishing = false;  // asked for, accepted or not
  std::string channel;
  std::string key;         // publishing: the one that was asked for
  std::string passphrase;  // "": unencrypted
  std::uint32_t latency_ms = 0;
};

Decision decide(const AccessTable& table, std::string_view listener, std::string_view stream_id,
                std::size_t sessions, std::size_t max_sessions);

}  // namespace headgate::bridge::srt
