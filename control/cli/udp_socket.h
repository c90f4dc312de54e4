// Kernel sockets of probe and send: RFC 1112, RFC 3376 by the kernel; RFC 3550 5.1 for RTP headers.
// Threading: one owner.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tl/expected.hpp>

#include "control/cli/stream_url.h"
#include "control/launcher/unique_fd.h"

namespace headgate::control {

// Joined and bound.
tl::expected<UniqueFd, std::string> open_receiver(const StreamUrl& url);
// Connected: send() sends a datagram.
tl::expected<UniqueFd, std::string> open_sender(const StreamUrl& url);

struct RtpPayload {
  std::uint16_t sequence = 0;
  std::span<const std::uint8_t> payload;
};
// Nothing where the header is not RTP version 2 or longer than the datagram.
std::optional<RtpPayload> parse_rtp(std::span<const std::uint8_t> datagram);

}  // namespace headgate::control
