// A TLS server's certificate and its private key, judged before a server is given them. Pure but for the
// clock that is an argument. Threading: thread-safe (no state).
#pragma once

#include <ctime>
#include <string>

#include <tl/expected.hpp>

namespace headgate::config {

struct PemError {
  bool of_key = false;  // else of the certificate
  std::string why;      // goes on from the file's name; never holds what may be the key
};

// Both are PEM, and belong together.
tl::expected<void, PemError> check_pair(const std::string& certificate, const std::string& key);

// "" or how it is about to be refused by clients: "has expired on 2026-01-31". Of the first certificate.
std::string expiry_of(const std::string& certificate, std::time_t now);

}  // namespace headgate::config
