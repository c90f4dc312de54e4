#include "dataplane/bridge/tls/stream.h"

#include <gmock/gmock.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "dataplane/bridge/tls/context.h"
#include "tests/bridge/certificate.h"

namespace headgate::bridge::tls {
namespace {

using testing::HasSubstr;

class TlsStream : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    path = (std::filesystem::temp_directory_path() / ("ca-" + std::to_string(::getpid()) + ".pem")).string();
    trust(own);
    auto made = ServerContext::make(own.certificate, own.key);
    ASSERT_TRUE(made) << made.error();
    server_context = *made;
    server = server_context->stream(sockets[0]);
  }
  void TearDown() override {
    server.reset();
    client.reset();
    ::close(sockets[0]);
    ::close(sockets[1]);
    ::unsetenv("SSL_CERT_FILE");
    std::filesystem::remove(path);
  }
  void trust(const test::Certificate& authority) {
    std::ofstream(path) << authority.certificate;
    ::setenv("SSL_CERT_FILE", path.c_str(), 1);
  }
  void dial(const std::string& host) {
    const auto context = ClientContext::make();
    ASSERT_TRUE(context) << context.error();
    client = (*context)->stream(sockets[1], host);
    ASSERT_NE(client, nullptr);
  }
  // Both ends take turns until both are done, or one failed.
  bool shake_hands() {
    Status a = Status::want_read, b = Status::want_read;
    for (int i = 0; i < 20 && (a != Status::done || b != Status::done); ++i) {
      if (b != Status::done) b = client->handshake();
      if (b == Status::failed) return false;
      if (a != Status::done) a = server->handshake();
      if (a == Status::failed) return false;
    }
    return a == Status::done && b == Status::done;
  }
  static const test::Certificate own;
  int sockets[2] = {-1, -1};
  std::string path;
  std::shared_ptr<const ServerContext> server_context;
  std::unique_ptr<Stream> server;
  std::unique_ptr<Stream> client;
};
const test::Certificate TlsStream::own = test::make_certificate();

TEST_F(TlsStream, CarriesBytesBothWaysInOrderThoughTheSocketIsFull) {
  dial("localhost");
  ASSERT_TRUE(shake_hands()) << client->error() << server->error();
  EXPECT_EQ(client->version(), "TLSv1.3");
  std::string sent;
  for (int i = 0; i < 3'000'000; ++i) sent += static_cast<char>(i * 7 + i / 251);
  std::size_t at = 0;
  std::string got;
  std::vector<std::uint8_t> into(50'000);
  bool was_full = false;
  while (got.size() < sent.size()) {
    // In two buffers, as messages and their headers are.
    const std::size_t half = (sent.size() - at) / 2;
    const iovec buffers[2] = {{sent.data() + at, half}, {sent.data() + at + half, sent.size() - at - half}};
    const Transfer put = server->write(buffers);
    ASSERT_NE(put.status, Status::failed);
    was_full = was_full || put.status == Status::want_write;
    at += put.bytes;
    const Transfer taken = client->read(into);
    ASSERT_NE(taken.status, Status::failed);
    got.append(reinterpret_cast<const char*>(into.data()), taken.bytes);
  }
  EXPECT_TRUE(was_full);
  EXPECT_EQ(got, sent);
  server->close_notify();
  EXPECT_EQ(client->read(into).status, Status::closed);
}

TEST_F(TlsStream, BelievesOnlyAuthoritiesItKnows) {
  trust(test::make_certificate("somebody else"));
  dial("localhost");
  EXPECT_FALSE(shake_hands());
  EXPECT_THAT(client->error(), HasSubstr("certificate of localhost is not to be trusted"));
}

TEST_F(TlsStream, ChecksTheName) {
  dial("elsewhere.example");
  EXPECT_FALSE(shake_hands());
  EXPECT_THAT(client->error(), HasSubstr("not to be trusted"));
}

TEST_F(TlsStream, ChecksAnAddress) {
  dial("127.0.0.1");
  EXPECT_TRUE(shake_hands()) << client->error();
}

TEST_F(TlsStream, ChecksAWrongAddress) {
  dial("127.0.0.2");
  EXPECT_FALSE(shake_hands());
}

TEST_F(TlsStream, TakesWhatSpeaksOnlyTls10) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_VERSION);
  SSL* old = SSL_new(context);
  SSL_set_fd(old, sockets[1]);
  int result = 0;
  for (int i = 0; i < 20 && result != 1; ++i) {
    result = SSL_connect(old);
    server->handshake();
  }
  EXPECT_EQ(result, 1) << server->error();
  EXPECT_EQ(server->version(), "TLSv1");
  SSL_free(old);
  SSL_CTX_free(context);
}

TEST_F(TlsStream, SaysWhatIsWrongWithTheOtherEnd) {
  const std::string request = "\3GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  ASSERT_GT(::send(sockets[1], request.data(), request.size(), 0), 0);
  EXPECT_EQ(server->handshake(), Status::failed);
  EXPECT_FALSE(server->error().empty());
}

TEST_F(TlsStream, SaysWhatIsWrongWithACertificate) {
  EXPECT_THAT(ServerContext::make("nonsense", own.key).error(), HasSubstr("the certificate is not PEM"));
  EXPECT_THAT(ServerContext::make(own.certificate, "nonsense").error(), HasSubstr("the key is not PEM"));
  EXPECT_THAT(ServerContext::make(own.certificate, test::make_certificate().key).error(),
              HasSubstr("does not belong"));
}

TEST_F(TlsStream, KnowsWhenTheAuthoritiesChanged) {
  const std::string before = ClientContext::authorities();
  EXPECT_EQ(ClientContext::authorities(), before);
  const test::Certificate another = test::make_certificate("another.example");
  std::ofstream(path, std::ios::app) << another.certificate;
  EXPECT_NE(ClientContext::authorities(), before);
  std::filesystem::remove(path);
  EXPECT_NE(ClientContext::authorities(), before);
}

}  // namespace
}  // namespace headgate::bridge::tls
