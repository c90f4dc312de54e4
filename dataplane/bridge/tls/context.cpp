#include "dataplane/bridge/tls/context.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdlib>

#include "dataplane/bridge/tls/stream_impl.h"

namespace headgate::bridge::tls {
namespace {

// Everything old programs have, but nothing that is broken outright. Level 0: TLS 1.0 and 1.1 sign with
// SHA-1 (RFC 2246 7.4.3), which level 1 refuses.
constexpr const char* kServerCiphers = "HIGH:!aNULL:!eNULL:!3DES:!MD5:!PSK:!SRP:@SECLEVEL=0";

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

Bio read(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

tl::unexpected<std::string> failure(const std::string& what) {
  return tl::unexpected<std::string>(what + ": " + last_error());
}

int no_passphrase(char*, int, int, void*) { return -1; }

ContextPointer make_context(const SSL_METHOD* method) {
  ContextPointer context(SSL_CTX_new(method));
  if (context == nullptr) return context;
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  // Players and encoders close the socket without TLS's own farewell.
  SSL_CTX_set_options(context.get(),
                      SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  return context;
}

tl::expected<void, std::string> use_certificate(SSL_CTX* context, const std::string& pem) {
  const Bio bio = read(pem);
  Certificate own(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (own == nullptr) return failure("the certificate is not PEM");
  if (SSL_CTX_use_certificate(context, own.get()) != 1) return failure("the certificate can't be used");
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)}) {
    if (SSL_CTX_add0_chain_cert(context, next.get()) != 1)
      return failure("the certificate's chain can't be used");
    static_cast<void>(next.release());
  }
  ERR_clear_error();  // that of the end
  return {};
}

tl::expected<void, std::string> use_key(SSL_CTX* context, const std::string& pem) {
  const Bio bio = read(pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (key == nullptr) return failure("the key is not PEM without a passphrase");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return failure("the key does not belong to the certificate");
  return {};
}

bool is_address(const std::string& host) {
  std::uint8_t bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

struct ServerContext::Impl {
  ContextPointer context;
};
struct ClientContext::Impl {
  ContextPointer context;
};

ServerContext::ServerContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerContext::~ServerContext() = default;
ClientContext::ClientContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientContext::~ClientContext() = default;

tl::expected<std::shared_ptr<const ServerContext>, std::string> ServerContext::make(
    const std::string& certificate, const std::string& key) {
  auto impl = std::make_unique<Impl>();
  impl->context = make_context(TLS_server_method());
  SSL_CTX* context = impl->context.get();
  if (context == nullptr) return failure("TLS can't be set up");
  if (SSL_CTX_set_min_proto_version(context, TLS1_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kServerCiphers) != 1 || SSL_CTX_set_num_tickets(context, 0) != 1)
    return failure("TLS can't be set up");
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_dh_auto(context, 1);
  if (auto used = use_certificate(context, certificate); !used) return tl::unexpected(used.error());
  if (auto used = use_key(context, key); !used) return tl::unexpected(used.error());
  return std::shared_ptr<const ServerContext>(new ServerContext(std::move(impl)));
}

std::unique_ptr<Stream> ServerContext::stream(int socket) const {
  auto impl = std::make_unique<Stream::Impl>();
  impl->ssl.reset(SSL_new(impl_->context.get()));
  const bool good = impl->ssl != nullptr && SSL_set_fd(impl->ssl.get(), socket) == 1;
  ERR_clear_error();
  if (!good) return nullptr;
  SSL_set_accept_state(impl->ssl.get());
  return std::make_unique<Stream>(std::move(impl));
}

tl::expected<std::shared_ptr<const ClientContext>, std::string> ClientContext::make() {
  auto impl = std::make_unique<Impl>();
  impl->context = make_context(TLS_client_method());
  SSL_CTX* context = impl->context.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
    return failure("TLS can't be set up");
  if (SSL_CTX_set_default_verify_paths(context) != 1)
    return failure("the system's authorities can't be read");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return std::shared_ptr<const ClientContext>(new ClientContext(std::move(impl)));
}

std::string ClientContext::authorities() {
  std::string out;
  const auto add = [&](const char* variable, const char* usual) {
    const char* set = std::getenv(variable);
    const std::string path = set != nullptr ? set : usual;
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) about = {};
    out += fmt::format("{} {}:{} {}.{:09} {}\n", path, about.st_dev, about.st_ino, about.st_mtim.tv_sec,
                       about.st_mtim.tv_nsec, about.st_size);
  };
  add(X509_get_default_cert_file_env(), X509_get_default_cert_file());
  add(X509_get_default_cert_dir_env(), X509_get_default_cert_dir());
  return out;
}

std::unique_ptr<Stream> ClientContext::stream(int socket, const std::string& host) const {
  auto impl = std::make_unique<Stream::Impl>();
  impl->ssl.reset(SSL_new(impl_->context.get()));
  impl->host = host;
  SSL* ssl = impl->ssl.get();
  bool good = ssl != nullptr && SSL_set_fd(ssl, socket) == 1;
  if (good && is_address(host)) {
    good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  } else if (good) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    good = SSL_set1_host(ssl, host.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
  }
  ERR_clear_error();
  if (!good) return nullptr;
  SSL_set_connect_state(ssl);
  return std::make_unique<Stream>(std::move(impl));
}

}  // namespace headgate::bridge::tls
