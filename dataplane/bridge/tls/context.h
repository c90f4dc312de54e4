// What TLS connections of one kind share: the certificate of a server, or the authorities that a client
// believes. Servers take TLS 1.0 to 1.3: librtmp, and with it encoders and players of many years, speaks no
// more than its build of GnuTLS or OpenSSL had; without session tickets, which come unasked in TLS 1.3 and
// stop it. Clients speak 1.2 and 1.3 and check the other end's name. References: RFC 8446, 5246, 2246, 6066
// (SNI), 6125 (names). Threading: a context may be shared by threads; streams are owned by one. Ownership: a
// stream keeps what it needs of its context.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "dataplane/bridge/tls/stream.h"

namespace headgate::bridge::tls {

class ServerContext {
 public:
  // `certificate`: the chain as PEM, the server's own first; `key`: as PEM, without passphrase. Errors name
  // what is wrong.
  static tl::expected<std::shared_ptr<const ServerContext>, std::string> make(const std::string& certificate,
                                                                              const std::string& key);
  ~ServerContext();
  // For a connected, non-blocking socket, which the stream uses but doesn't own. Null: no memory.
  std::unique_ptr<Stream> stream(int socket) const;

 private:
  struct Impl;
  explicit ServerContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class ClientContext {
 public:
  // Believes the system's authorities (where OpenSSL looks: SSL_CERT_FILE and SSL_CERT_DIR say otherwise). It
  // reads them, which takes tens of milliseconds: to be shared.
  static tl::expected<std::shared_ptr<const ClientContext>, std::string> make();
  // Another text when what make() would read is another.
  static std::string authorities();
  ~ClientContext();
  // `host`: a name or an address, which the other end's certificate must bear.
  std::unique_ptr<Stream> stream(int socket, const std::string& host) const;

 private:
  struct Impl;
  explicit ClientContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::tls
