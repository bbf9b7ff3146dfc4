#include "directory/wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static int get_socket(Sockbuf_IO_Desc *layer)
{
    ber_socket_t fd = -1;

    ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fd);
    return fd;
}

/* After a call of the system that moved nothing: true when it is worth another try, else errno says why not. */
static bool wait_after(Wire *wire, int fd, short events, gint64 deadline_us)
{
    if (errno == EINTR)
        return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK)
        return false;
    if (deadline_us == 0) {
        errno = EWOULDBLOCK;
        return false;
    }
    switch (wait_for(wire->stop, fd, events, deadline_us, false)) {
    case WAIT_READY:
        return true;
    case WAIT_DEADLINE:
        wire->late = true;
        errno = ETIMEDOUT;
        return false;
    case WAIT_STOPPED:
        errno = ECANCELED;
        return false;
    }
    g_assert_not_reached();
}

static ber_slen_t receive(Sockbuf_IO_Desc *layer, void *buffer, ber_len_t size)
{
    Wire *wire = layer->sbiod_pvt;
    int fd = get_socket(layer);
    ssize_t moved;

    do
        moved = recv(fd, buffer, size, MSG_DONTWAIT);
    while (moved < 0 && wait_after(wire, fd, POLLIN, wire->patient_until_us));
    return moved;
}

static ber_slen_t transmit(Sockbuf_IO_Desc *layer, void *buffer, ber_len_t size)
{
    Wire *wire = layer->sbiod_pvt;
    gint64 deadline_us = g_get_monotonic_time() + wire->timeout_us;
    int fd = get_socket(layer);
    ssize_t moved;

    do
        moved = send(fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (moved < 0 && wait_after(wire, fd, POLLOUT, deadline_us));
    return moved;
}

static int set_up(Sockbuf_IO_Desc *layer, void *wire)
{
    layer->sbiod_pvt = wire;
    return 0;
}

static int control(Sockbuf_IO_Desc *layer, int option, void *argument)
{
    return LBER_SBIOD_CTRL_NEXT(layer, option, argument);
}

static int on_connected(LDAP *ldap, Sockbuf *socket, LDAPURLDesc *url, struct sockaddr *address, struct ldap_conncb *hooks)
{
    static Sockbuf_IO layer = {.sbi_setup = set_up, .sbi_ctrl = control, .sbi_read = receive, .sbi_write = transmit};

    (void)ldap, (void)url, (void)address;
    return ber_sockbuf_add_io(socket, &layer, LBER_SBIOD_LEVEL_PROVIDER + 1, hooks->lc_arg);
}

static void on_closed(LDAP *ldap, Sockbuf *socket, struct ldap_conncb *hooks)
{
    (void)ldap, (void)socket, (void)hooks;
}

int wire_attach(Wire *wire, LDAP *ldap, gint64 timeout_us, Stop *stop)
{
    *wire = (Wire){.hooks = {.lc_add = on_connected, .lc_del = on_closed, .lc_arg = wire}, .stop = stop, .timeout_us = timeout_us};
    return ldap_set_option(ldap, LDAP_OPT_CONNECT_CB, &wire->hooks);
}
