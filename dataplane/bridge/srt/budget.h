// What a receiver may cost: memory that libsrt keeps for it, bandwidth that it may take. References: libsrt
// API socket options (SRTO_SNDBUF, SRTO_MAXBW, SRTO_OHEADBW). Threading: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace headgate::bridge::srt {

// What libsrt may keep for a receiver: 2 x latency x rate, within limits.
std::size_t buffer_limit(std::int64_t latency_ms, std::int64_t bytes_per_second);

// Bytes a second that libsrt may send to a receiver, lost packets included (SRTO_MAXBW); 0: rate not known
// yet.
std::int64_t max_bandwidth(std::int64_t bytes_per_second);

}  // namespace headgate::bridge::srt
