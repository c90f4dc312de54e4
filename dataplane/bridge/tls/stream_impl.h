// OpenSSL's side of tls/stream.h; included by this folder's sources alone. Threading: as Stream.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/tls/stream.h"

namespace headgate::bridge::tls {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeConnection {
  void operator()(SSL* connection) const { SSL_free(connection); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, FreeContext>;
using ConnectionPointer = std::unique_ptr<SSL, FreeConnection>;

struct Stream::Impl {
  ConnectionPointer ssl;
  std::vector<std::uint8_t> record;  // taken, not yet sent
  std::string error;
  std::string host;  // of a client's other end
};

// The latest of OpenSSL's errors in words; empties its queue.
std::string last_error();

}  // namespace headgate::bridge::tls
